package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

// program is portdoc as a process of its own, standard error joined to
// standard output.
type program struct {
	*netstatetest.Process
	t testing.TB
}

// begin starts portdoc and returns it with its first line.
func begin(t testing.TB, arguments ...string) (program, string) {
	t.Helper()
	command := exec.Command("sh", append([]string{"-c", `exec portdoc "$@" 2>&1`, "sh"}, arguments...)...)
	process, line := netstatetest.Run(t, command)
	return program{process, t}, line
}

// serve starts portdoc serve on a loopback port that the system chooses and
// returns it with its address.
func serve(t testing.TB, flags ...string) (program, string) {
	t.Helper()
	server, line := begin(t, append([]string{"serve", "--addr", "127.0.0.1:0"}, flags...)...)
	address, ok := strings.CutPrefix(line, "listening on ")
	if !ok {
		t.Fatalf("the first line is %q", line)
	}
	return server, address
}

// client starts portdoc client and returns it with its own address.
func client(t testing.TB, address string, flags ...string) (program, netip.AddrPort) {
	t.Helper()
	p, line := begin(t, append([]string{"client", address}, flags...)...)
	local, ok := strings.CutPrefix(line, "connected to "+address+" from ")
	if !ok {
		t.Fatalf("the first line is %q", line)
	}
	return p, netip.MustParseAddrPort(local)
}

// wants reads the next line and compares it.
func (p program) wants(format string, arguments ...any) {
	p.t.Helper()
	if got, want := p.Line(p.t), fmt.Sprintf(format, arguments...); got != want {
		p.t.Fatalf("%v said %q, want %q", p.Args[4:], got, want)
	}
}

// accepts reads the line of a client that has come.
func (p program) accepts(local netip.AddrPort) {
	p.t.Helper()
	p.wants("ip is %s,  port is %d", local.Addr(), local.Port())
}

// echoes sends a line and waits for it to come back.
func (p program) echoes(line string) {
	p.t.Helper()
	p.Tell(p.t, line)
	p.wants("%s", line)
}

func (p program) signal(signal syscall.Signal) {
	p.t.Helper()
	must(p.Cmd.Process.Signal(signal))
}

// status waits for the end and returns how it came, as "exit status 1".
func (p program) status() string {
	p.t.Helper()
	p.Rest(p.t)
	return p.ProcessState.String()
}

// dial connects to a server from the test itself.
func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

func localOf(conn net.Conn) netip.AddrPort { return conn.LocalAddr().(*net.TCPAddr).AddrPort() }

// bounces sends a line and reads it back.
func bounces(t testing.TB, conn net.Conn, line string) {
	t.Helper()
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(conn).ReadString('\n'); got != line+"\n" {
		t.Fatalf("%q came back, %v", got, err)
	}
}

// TestServeSeveral: several clients are served at once, and the way in which
// one leaves is said and disturbs nobody.
func TestServeSeveral(t *testing.T) {
	t.Parallel()
	server, address := serve(t)
	first, firstLocal := client(t, address)
	server.accepts(firstLocal)
	second, secondLocal := client(t, address)
	server.accepts(secondLocal)
	rude := dial(t, address)
	server.accepts(localOf(rude))

	first.echoes("hello")
	server.wants("hello")
	rude.SetLinger(0)
	rude.Close()
	server.wants("%s lost (a read failed: connection reset by peer, ECONNRESET)", localOf(rude))
	first.CloseInput()
	server.wants("%s closed (a read returned 0 bytes)", firstLocal)
	second.echoes("still there")
	server.wants("still there")
}

// TestServeDefault: 0.0.0.0:5188, and a second server there fails with the
// reason.
func TestServeDefault(t *testing.T) {
	t.Parallel()
	server, line := begin(t, "serve")
	if line != "listening on 0.0.0.0:5188" {
		t.Fatal(line)
	}
	second, line := begin(t, "serve")
	if want := "portdoc: listen tcp4 0.0.0.0:5188: bind: address already in use"; line != want {
		t.Errorf("the error is %q, want %q", line, want)
	}
	if line := second.Line(t); !strings.Contains(line, "5188/tcp is taken") || !strings.Contains(line, fmt.Sprint(server.Cmd.Process.Pid)) {
		t.Errorf("the diagnosis begins with %q", line)
	}
	if got := second.status(); got != "exit status 1" {
		t.Error(got)
	}
	reached, local := client(t, "127.0.0.1:5188")
	server.accepts(local)
	reached.echoes("hello")
}

// TestServeOptions looks at the listening socket from outside.
func TestServeOptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		flags                               string
		reuseaddr, reuseport, v6only, queue int
	}{
		{"--addr 127.0.0.1:0", 1, 0, 0, 4096},
		{"--addr 127.0.0.1:0 --reuseaddr=false", 0, 0, 0, 4096},
		{"--addr 127.0.0.1:0 --reuseport --backlog 7", 1, 1, 0, 7},
		{"--addr [::]:0 --reuseaddr=false", 0, 0, 0, 4096},
		{"--addr [::]:0 --v6only --backlog 1", 1, 0, 1, 1},
		{"--addr :0 --v6only", 1, 0, 1, 4096},
	} {
		server, line := begin(t, append([]string{"serve"}, strings.Fields(test.flags)...)...)
		fd := listenerOf(t, server.Cmd.Process.Pid)
		option := func(level, option int) int {
			value, err := unix.GetsockoptInt(fd, level, option)
			must(err)
			return value
		}
		got := [4]int{option(unix.SOL_SOCKET, unix.SO_REUSEADDR), option(unix.SOL_SOCKET, unix.SO_REUSEPORT), 0, 0}
		if option(unix.SOL_SOCKET, unix.SO_DOMAIN) == unix.AF_INET6 {
			got[2] = option(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		}
		// For a listener the kernel reports its backlog there (tcp_get_info).
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		must(err)
		got[3] = int(info.Sacked)
		want := [4]int{test.reuseaddr, test.reuseport, test.v6only, min(test.queue, somaxconn())}
		if got != want {
			t.Errorf("%s (%s): SO_REUSEADDR, SO_REUSEPORT, IPV6_V6ONLY, backlog are %v, want %v", test.flags, line, got, want)
		}
		unix.Close(fd)
	}
}

func somaxconn() (n int) {
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	must(err)
	_, err = fmt.Sscan(string(text), &n)
	must(err)
	return n
}

// listenerOf borrows the listening socket of another process.
func listenerOf(t *testing.T, pid int) int {
	t.Helper()
	pidfd, err := unix.PidfdOpen(pid, 0)
	must(err)
	defer unix.Close(pidfd)
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	must(err)
	for _, entry := range entries {
		var number int
		fmt.Sscan(entry.Name(), &number)
		fd, err := unix.PidfdGetfd(pidfd, number, 0)
		if errors.Is(err, unix.EBADF) {
			continue
		}
		must(err)
		if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && listens == 1 {
			return fd
		}
		unix.Close(fd)
	}
	t.Fatalf("process %d has no listening socket", pid)
	return -1
}

// TestServeOnce: the first client is the last.
func TestServeOnce(t *testing.T) {
	t.Parallel()
	server, address := serve(t, "--once")
	only, local := client(t, address)
	server.accepts(local)
	only.echoes("hello")
	server.wants("hello")
	if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a second client got %v", err)
	}
	only.CloseInput()
	server.wants("%s closed (a read returned 0 bytes)", local)
	if got := server.status(); got != "exit status 0" {
		t.Error(got)
	}
}

// TestServeDrain: the first signal ends the listening, the last client the
// server.
func TestServeDrain(t *testing.T) {
	t.Parallel()
	server, address := serve(t, "--drain")
	last, local := client(t, address)
	server.accepts(local)
	server.signal(syscall.SIGINT)
	server.wants("no new clients: the server ends with the last one")
	for dialErr := error(nil); !errors.Is(dialErr, syscall.ECONNREFUSED); {
		var conn net.Conn
		if conn, dialErr = net.Dial("tcp", address); dialErr == nil {
			conn.Close() // the listener is closed right after the line
		}
	}
	last.echoes("let me finish")
	last.CloseInput()
	if got := server.status(); got != "exit status 0" {
		t.Error(got)
	}
}

// TestServeDrainTwice: the second signal ends everything at once.
func TestServeDrainTwice(t *testing.T) {
	t.Parallel()
	server, address := serve(t, "--drain")
	staying := dial(t, address)
	server.accepts(localOf(staying))
	server.signal(syscall.SIGTERM)
	server.wants("no new clients: the server ends with the last one")
	server.signal(syscall.SIGINT)
	if got := server.status(); got != "signal: interrupt" {
		t.Error(got)
	}
}

// TestServeQuiet: errors only.
func TestServeQuiet(t *testing.T) {
	t.Parallel()
	address, lines := serveQuiet(t)
	polite, rude := dial(t, address), dial(t, address)
	bounces(t, polite, "hello")
	polite.Close()
	bounces(t, rude, "hello")
	rude.SetLinger(0)
	rude.Close()
	if got, want := <-lines, fmt.Sprintf("%s lost (a read failed: connection reset by peer, ECONNRESET)", localOf(rude)); got != want {
		t.Errorf("the first line is %q, want %q", got, want)
	}
}

// serveQuiet starts a quiet server and returns its address and what it says.
func serveQuiet(t testing.TB) (address string, lines <-chan string) {
	t.Helper()
	address = "127.0.0.1:" + freePort(t)
	command := exec.Command("sh", "-c", `exec portdoc serve --quiet --addr "$0" 2>&1`, address)
	output, err := command.StdoutPipe()
	must(err)
	must(command.Start())
	said := make(chan string, 100)
	go func() {
		for text := bufio.NewScanner(output); text.Scan(); {
			said <- text.Text()
		}
		close(said)
	}()
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return address, said
		}
	}
}

// TestServeOutputGone: a server whose output nobody reads any more ends.
func TestServeOutputGone(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	reader, writer, err := os.Pipe()
	must(err)
	command := exec.Command("portdoc", "serve", "--addr", "127.0.0.1:"+port)
	command.Stdout = writer
	must(command.Start())
	t.Cleanup(func() { command.Process.Kill() })
	writer.Close()
	_, err = bufio.NewReader(reader).ReadString('\n')
	must(err)
	reader.Close()
	// A child of another test has the reader too until it calls exec, so it may
	// take more than one line.
	conn := dial(t, "127.0.0.1:"+port)
	for answers := bufio.NewReader(conn); err == nil; _, err = answers.ReadString('\n') {
		conn.Write([]byte("hello\n"))
	}
	command.Wait()
	if got := command.ProcessState.ExitCode(); got != exitUsage {
		t.Errorf("exit status %d", got)
	}
}
