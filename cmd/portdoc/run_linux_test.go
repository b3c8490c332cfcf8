package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

func init() {
	roles["binder"] = binderRole
	roles["nobody"] = nobodyRole
}

// binderRole does what its arguments say, one after the other: "user=N" gives
// its privileges up, "wait" prints a line and waits for one, "unix=PATH" and
// "ADDRESS[+OPTION...]" bind and listen. What fails is printed to standard
// error, and ends it with status 9. "dial=ADDRESS" connects.
func binderRole(arguments []string) {
	for _, argument := range arguments {
		if err := binderStep(argument); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", argument, err)
			os.Exit(9)
		}
	}
	fmt.Println("bound")
}

func binderStep(argument string) error {
	if user, ok := strings.CutPrefix(argument, "user="); ok {
		n, err := strconv.Atoi(user)
		must(err)
		return errors.Join(syscall.Setgroups(nil), syscall.Setgid(n), syscall.Setuid(n))
	}
	if path, ok := strings.CutPrefix(argument, "unix="); ok {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(err)
		return unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if argument == "wait" {
		fmt.Println("waiting")
		_, err := os.Stdin.Read(make([]byte, 1))
		return err
	}
	if address, ok := strings.CutPrefix(argument, "dial="); ok {
		return unix.Connect(open(unix.SOCK_STREAM, address, nil), sockaddr(address))
	}
	words := strings.Split(argument, "+")
	fd := open(unix.SOCK_STREAM, words[0], words[1:])
	if err := unix.Bind(fd, sockaddr(words[0])); err != nil {
		return err
	}
	return unix.Listen(fd, 1)
}

// binder is the words of a command that runs [binderRole].
func binder(arguments ...string) []string {
	path, err := os.Executable()
	must(err)
	return append([]string{"env", "PORTDOC_TEST_ROLE=binder", path}, arguments...)
}

// ending is what a program printed and how it ended.
type ending struct {
	out, errors string
	status      int
}

// execute runs a program to its end.
func execute(t testing.TB, words ...string) ending {
	t.Helper()
	command := exec.Command(words[0], words[1:]...)
	var out, complaint bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaint
	err := command.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%q: %v", words, err)
	}
	status := command.ProcessState.ExitCode()
	if wait := command.ProcessState.Sys().(syscall.WaitStatus); wait.Signaled() {
		status = 128 + int(wait.Signal())
	}
	return ending{out.String(), complaint.String(), status}
}

// underRun runs a command under portdoc.
func underRun(t *testing.T, words ...string) ending {
	t.Helper()
	return execute(t, append([]string{"portdoc", "run", "--"}, words...)...)
}

// wantIn checks that a text has all the pieces.
func wantIn(t *testing.T, text string, pieces ...string) {
	t.Helper()
	for _, piece := range pieces {
		if !strings.Contains(text, piece) {
			t.Errorf("%q is not in:\n%s", piece, text)
		}
	}
}

// serverProgram is a real program that binds 127.0.0.1 and a port.
type serverProgram struct {
	name  string
	words func(port string) []string
}

const javaListener = "-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=127.0.0.1:"

var serverPrograms = []serverProgram{
	{"node", func(port string) []string {
		return []string{"node", "-e", "require('net').createServer().listen(" + port + ", '127.0.0.1')"}
	}},
	{"python3", func(port string) []string {
		return []string{"python3", "-c", "import socket; socket.create_server(('127.0.0.1', " + port + "))"}
	}},
	{"java", func(port string) []string { return []string{"java", javaListener + port, "-version"} }},
	{"perl", func(port string) []string {
		return []string{"perl", "-MIO::Socket::INET", "-e", "IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => " + port + ") or die $@"}
	}},
	{"bash", func(port string) []string {
		return []string{"bash", "-c", "set -o pipefail; " + shellWords(binder("127.0.0.1:"+port)) + " | cat | cat"}
	}},
	{"sh", func(port string) []string {
		return []string{"sh", "-c", shellWords(binder("127.0.0.1:"+port)) + " & wait $!"}
	}},
	{"env", func(port string) []string { return binder("127.0.0.1:" + port) }},
}

// shellWords quotes words for a shell; none has a quote in it.
func shellWords(words []string) string { return "'" + strings.Join(words, "' '") + "'" }

// TestRunPrograms: each program fails as it does without portdoc, and it is
// said who is in its way.
func TestRunPrograms(t *testing.T) {
	for _, p := range serverPrograms {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(p.name); err != nil {
				t.Skipf("this machine has no %s", p.name)
			}
			checkExplained(t, p.words)
		})
	}
}

// checkExplained runs a program whose port is taken, without portdoc and with.
func checkExplained(t *testing.T, words func(port string) []string) {
	t.Helper()
	holder := newPuppet(t)
	address := holder.do("listen", "127.0.0.1:0")
	command := words(portOf(address))
	plain, watched := execute(t, command...), underRun(t, command...)
	if plain.status == 0 || watched.status != plain.status {
		t.Errorf("status %d, and %d under run, want the same and not 0\n%s", plain.status, watched.status, watched.errors)
	}
	if watched.out != plain.out {
		t.Errorf("printed %q, and %q under run", plain.out, watched.out)
	}
	wantIn(t, watched.errors, "portdoc: bind "+address+" failed in ", fmt.Sprintf("(pid %d) listens on %s", holder.pid(), address))
}

// TestRunStatic: a program that is linked statically, so that no library of
// its own could be put under it.
func TestRunStatic(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("this machine has no go command to build a static program with")
	}
	directory := t.TempDir()
	source, path := filepath.Join(directory, "main.go"), filepath.Join(directory, "static")
	must(os.WriteFile(source, []byte(`package main
import ("net"; "os")
func main() {
	if _, err := net.Listen("tcp", os.Args[1]); err != nil { println(err.Error()); os.Exit(3) }
}`), 0o600))
	build := exec.Command("go", "build", "-o", path, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	checkExplained(t, func(port string) []string { return []string{path, "127.0.0.1:" + port} })
}

func TestRunTwice(t *testing.T) {
	t.Parallel()
	address := "127.0.0.1:" + freePort(t)
	got := underRun(t, binder(address+"+reuseaddr", address+"+reuseaddr")...)
	wantIn(t, got.errors, "bind "+address+" failed", "the program itself has bound", address+" already",
		"sets SO_REUSEADDR; that does not get past a listener")
	if strings.Contains(got.errors, "kill") || got.status != 9 {
		t.Errorf("status %d, and no remedy should end the program itself:\n%s", got.status, got.errors)
	}
}

func TestRunBothWildcards(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	got := underRun(t, binder("0.0.0.0:"+port, "[::]:"+port)...)
	wantIn(t, got.errors, "bind [::]:"+port+" failed", "0.0.0.0:"+port, "IPV6_V6ONLY on the IPv6 socket")
}

// TestRunDropped: a server that has given its privileges up before it binds.
func TestRunDropped(t *testing.T) {
	t.Parallel()
	if netstatetest.Ordinary() {
		t.Skip("only root can become another user")
	}
	port := "1"
	got := underRun(t, binder("user=65534", "127.0.0.1:"+port)...)
	wantIn(t, got.errors, "bind 127.0.0.1:1 failed", "1024")
	address := newPuppet(t).do("listen", "127.0.0.1:0")
	got = underRun(t, binder("user=65534", address)...)
	wantIn(t, got.errors, "bind "+address+" failed", "listens on "+address)
}

// nobodyRole is portdoc with these arguments for a user without privileges.
func nobodyRole(arguments []string) {
	must(errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)))
	must(os.Unsetenv("PORTDOC_TEST_ROLE"))
	os.Args = append([]string{"portdoc"}, arguments...)
	main()
}

// TestRunSetUserID: a program that gains privileges does so under portdoc too,
// and it is said what that costs.
func TestRunSetUserID(t *testing.T) {
	t.Parallel()
	if netstatetest.Ordinary() {
		t.Skip("only root can make a program that gains privileges")
	}
	id, err := exec.LookPath("id")
	must(err)
	program, err := os.ReadFile(id)
	must(err)
	directory, err := os.MkdirTemp("", "portdoc")
	must(err)
	t.Cleanup(func() { os.RemoveAll(directory) })
	var mount unix.Statfs_t
	if must(unix.Statfs(directory, &mount)); mount.Flags&unix.ST_NOSUID != 0 {
		t.Skipf("%s is mounted without set-user-ID", directory)
	}
	path := filepath.Join(directory, "gainer")
	must(errors.Join(os.Chmod(directory, 0o755), os.WriteFile(path, program, 0o755), os.Chmod(path, 0o755|os.ModeSetuid)))
	self, err := os.Executable()
	must(err)
	as := func(arguments ...string) ending {
		return execute(t, append([]string{"env", "PORTDOC_TEST_ROLE=nobody", self}, arguments...)...)
	}
	const said = "portdoc: only error messages are read: gainer is set-user-ID, and watching its calls would prevent that\n"
	if got := as("run", "--", path, "-un"); got != (ending{"root\n", said, 0}) {
		t.Errorf("a set-user-ID program: %+v", got)
	}
	must(os.Chmod(path, 0o755))
	if got := as("run", "--", path, "-u"); got != (ending{"65534\n", "", 0}) {
		t.Errorf("any other program: %+v", got)
	}
}

func TestRunUnix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	newPuppet(t).do("unix", path)
	directory, name := filepath.Split(path)
	got := underRun(t, append([]string{"env", "-C", directory}, binder("unix="+name)...)...)
	wantIn(t, got.errors, "bind "+path+" failed", "has the stream socket")
}

// TestRunRetries: the same failure is explained once and counted then.
func TestRunRetries(t *testing.T) {
	t.Parallel()
	address := newPuppet(t).do("listen", "127.0.0.1:0")
	got := underRun(t, "sh", "-c", "for i in 1 2 3 4; do "+shellWords(binder(address))+"; done; exit 5")
	if n := strings.Count(got.errors, "portdoc: bind"); n != 2 || got.status != 5 {
		t.Errorf("%d lines of portdoc and status %d, want 2 and 5:\n%s", n, got.status, got.errors)
	}
	wantIn(t, got.errors, "portdoc: bind "+address+" failed again, 3 times\n")
}

// TestRunTextOnly: what the program prints is enough, and passes as it is.
func TestRunTextOnly(t *testing.T) {
	t.Parallel()
	address := newPuppet(t).do("listen", "127.0.0.1:0")
	message := "\x1b[31mbind " + address + ": Address already in use\x1b[0m without an end"
	got := execute(t, "portdoc", "run", "--text-only", "--", "sh", "-c", "printf '%s' \"$0\" >&2; exit 4", message)
	if !strings.HasPrefix(got.errors, message) || got.status != 4 {
		t.Errorf("status %d, standard error %q, want 4 and first %q", got.status, got.errors, message)
	}
	wantIn(t, got.errors, "portdoc: bind "+address+" failed\n", "listens on "+address)
}

// TestRunNested: inside of another run only one can watch the calls.
func TestRunNested(t *testing.T) {
	t.Parallel()
	address := newPuppet(t).do("listen", "127.0.0.1:0")
	got := underRun(t, append([]string{"portdoc", "run", "--verbose", "--"}, binder(address)...)...)
	wantIn(t, got.errors, "portdoc: reading error messages (", "portdoc: bind "+address+" failed in ")
	if got.status != 9 {
		t.Errorf("status %d, want 9", got.status)
	}
}

func TestRunStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		words  []string
	}{
		{0, []string{"true"}},
		{7, []string{"sh", "-c", "exit $1", "--", "7", "--help"}},
		{137, []string{"sh", "-c", "kill -KILL $$"}},
		{143, []string{"sh", "-c", "kill -TERM $$"}},
		{134, []string{"sh", "-c", "ulimit -c 0; kill -ABRT $$"}},
		{141, []string{"sh", "-c", "kill -PIPE $$"}},
		{127, []string{"no-such-command"}},
		{127, []string{"./no/such/file"}},
		{126, []string{"/"}},
		{126, []string{"/dev/null"}},
	} {
		for _, flags := range [][]string{nil, {"--text-only"}} {
			words := append(append([]string{"portdoc", "run"}, flags...), append([]string{"--"}, test.words...)...)
			if got := execute(t, words...); got.status != test.status {
				t.Errorf("%q: status %d, want %d\n%s", words, got.status, test.status, got.errors)
			}
		}
	}
}

// TestRunOnFailWait: the command starts as soon as it can.
func TestRunOnFailWait(t *testing.T) {
	t.Parallel()
	holder := newPuppet(t)
	address := holder.do("listen", "127.0.0.1:0")
	command := exec.Command("portdoc", append([]string{"run", "--on-fail", "wait", "--"}, binder(address)...)...)
	said, err := command.StderrPipe()
	must(err)
	var out bytes.Buffer
	command.Stdout = &out
	must(command.Start())
	text := readUntil(t, said, "portdoc: waiting until "+address+" is free")
	holder.do("close", "0")
	rest := readUntil(t, said, "starting the command again\n")
	if err := command.Wait(); err != nil || out.String() != "bound\n" {
		t.Errorf("%v, printed %q\n%s%s", err, out.String(), text, rest)
	}
}

// TestRunOnFailText: the same where only its words are read.
func TestRunOnFailText(t *testing.T) {
	t.Parallel()
	holder := newPuppet(t)
	address := holder.do("listen", "127.0.0.1:0")
	command := exec.Command("portdoc", append([]string{"run", "--text-only", "--on-fail", "wait", "--"}, binder(address)...)...)
	said, err := command.StderrPipe()
	must(err)
	must(command.Start())
	readUntil(t, said, "portdoc: waiting until ")
	holder.do("close", "0")
	readUntil(t, said, "starting the command again\n")
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}

// TestRunOnFailItself: no waiting helps a program that is in its own way.
func TestRunOnFailItself(t *testing.T) {
	t.Parallel()
	address := "127.0.0.1:" + freePort(t)
	got := execute(t, append([]string{"portdoc", "run", "--on-fail", "wait", "--"}, binder(address, address)...)...)
	wantIn(t, got.errors, "waiting does not make "+address+" free")
	if got.status != 9 {
		t.Errorf("status %d, want 9", got.status)
	}
}

// readUntil reads up to a text and returns all that came.
func readUntil(t *testing.T, from interface{ Read([]byte) (int, error) }, text string) string {
	t.Helper()
	var all strings.Builder
	for one := make([]byte, 1); !strings.HasSuffix(all.String(), text); {
		if _, err := from.Read(one); err != nil {
			t.Fatalf("waiting for %q after %q: %v", text, all.String(), err)
		}
		all.Write(one)
	}
	return all.String()
}
