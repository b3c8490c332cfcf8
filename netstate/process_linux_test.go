package netstate

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

func init() {
	roles["trace"] = func(arguments []string) {
		runtime.LockOSThread()
		pid, err := strconv.Atoi(arguments[0])
		check(err)
		check(unix.PtraceAttach(pid))
		_, err = unix.Wait4(pid, nil, unix.WALL, nil)
		check(err)
		fmt.Println("stopped")
		bufio.NewReader(os.Stdin).ReadString('\n')
		check(unix.PtraceCont(pid, 0))
		fmt.Println("running")
		netstatetest.UntilInputEnds()
	}
}

func TestProcessFacts(t *testing.T) {
	listener := ownListener(t)
	before := time.Now()
	arguments := []string{"two words", "", "a\nb", "\x1b[31m\x07", "\u202e"}
	process := listener.heldBy(t, "hold", arguments...)
	_, p := owner(t, listener.row)
	if age := p.Started.Sub(before); age < -20*time.Millisecond || age > time.Since(before)+20*time.Millisecond {
		t.Errorf("started %v after it was", age)
	}
	self := os.Getpid()
	parent, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	want := Process{
		PID: process.Process.Pid, PPID: self,
		PGID: unix.Getpgrp(), SID: must1(unix.Getsid(0)),
		Name:    commandName(process.Path),
		Command: process.Args, Exe: process.Path,
		UID: new(uint32(os.Geteuid())), User: userName(t),
		Started: p.Started, State: Running,
		ParentName: string(parent[:len(parent)-1]),
		// What the test runs in is not the test's to know.
		TTY: p.TTY, Shell: p.Shell, Ancestors: p.Ancestors,
		Cgroup: p.Cgroup, Unit: p.Unit, UserUnit: p.UserUnit, Container: p.Container,
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("process (-want +got):\n%s", diff)
	}
	if len(p.Ancestors) < 2 || p.Ancestors[0] != self || p.Ancestors[1] != os.Getppid() {
		t.Errorf("ancestors %v, want %d, %d, ...", p.Ancestors, self, os.Getppid())
	}
}

// commandName is what the kernel keeps of a program's name: 15 bytes.
func commandName(path string) string {
	name := filepath.Base(path)
	return name[:min(15, len(name))]
}

func userName(t *testing.T) string {
	t.Helper()
	u, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

func must1[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// state waits for a change in a child's state without collecting it.
func awaitChild(t *testing.T, pid, options int) {
	t.Helper()
	if err := unix.Waitid(unix.P_PID, pid, nil, options|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
}

func TestStoppedProcess(t *testing.T) {
	listener := ownListener(t)
	command := listener.passTo(netstatetest.Command("hold"))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // SIGTSTP does not stop an orphaned group
	process, _ := netstatetest.Run(t, command)
	listener.Close()
	pid := process.Process.Pid
	before := time.Now()
	for _, signal := range []syscall.Signal{unix.SIGSTOP, unix.SIGTSTP} {
		if err := process.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		awaitChild(t, pid, unix.WSTOPPED)
		checkStopped(t, listener.row, unix.SignalName(signal), before)
		if _, err := unix.Wait4(pid, nil, unix.WUNTRACED, nil); err != nil {
			t.Fatal(err)
		}
		first := checkStopped(t, listener.row, "", before)
		if second := checkStopped(t, listener.row, "", before); second < first {
			t.Errorf("stopped for %d ms, then for %d ms", first, second)
		}
		if err := process.Process.Signal(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		awaitChild(t, pid, unix.WCONTINUED)
	}
	if _, p := owner(t, listener.row); p.State != Running || p.StoppedFor != 0 {
		t.Errorf("a continued process is %q, stopped for %d ms", p.State, p.StoppedFor)
	}
}

// checkStopped reads a process that was stopped after a time.
func checkStopped(t *testing.T, row Socket, signal string, after time.Time) int64 {
	t.Helper()
	o, p := owner(t, row)
	if p.State != Stopped || p.StopSignal != signal || o.Waits != WaitsMaybe {
		t.Errorf("state %q, signal %q, waits %q; want stopped by %q, maybe", p.State, p.StopSignal, o.Waits, signal)
	}
	// The scheduler's clock and ours may differ by a tick, 10 ms at most.
	if most := time.Since(after).Milliseconds() + 20; p.StoppedFor < 1 || p.StoppedFor > most {
		t.Errorf("stopped for %d ms, want 1 to %d", p.StoppedFor, most)
	}
	return p.StoppedFor
}

func TestTracedProcess(t *testing.T) {
	listener := ownListener(t)
	process := listener.heldBy(t, "hold")
	tracer, line := netstatetest.Start(t, "trace", strconv.Itoa(process.Process.Pid))
	if line != "stopped" {
		t.Fatalf("the tracer said %q", line)
	}
	want := &ProcessRef{PID: tracer.Process.Pid, Name: commandName(tracer.Path)}
	_, p := owner(t, listener.row)
	if diff := cmp.Diff(want, p.Tracer); diff != "" || p.State != Traced {
		t.Errorf("state %q, tracer (-want +got):\n%s", p.State, diff)
	}
	tracer.Tell(t, "go on")
	tracer.Line(t)
	_, p = owner(t, listener.row)
	if diff := cmp.Diff(want, p.Tracer); diff != "" || p.State != Running {
		t.Errorf("after it goes on, state %q, tracer (-want +got):\n%s", p.State, diff)
	}
}

func TestZombie(t *testing.T) {
	command := exec.Command("/bin/true")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	awaitChild(t, command.Process.Pid, unix.WEXITED)
	defer command.Wait()
	proc, err := openProcfs()
	if err != nil {
		t.Fatal(err)
	}
	defer proc.close()
	r := processReader{proc: proc, stats: make(map[int]*processStat), cgroups: make(map[uint64]string)}
	p, ok := r.process(command.Process.Pid)
	if !ok || p.State != Zombie || p.Command != nil || p.Name != "true" {
		t.Errorf("process %+v, want a zombie", p)
	}
	if proc.mayOwn(command.Process.Pid) {
		t.Error("a zombie counts as a process that may own sockets")
	}
}

func TestDeletedExecutable(t *testing.T) {
	text, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "my sleep")
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	listener := ownListener(t)
	listener.startWith(t, path, "1000")
	if _, p := owner(t, listener.row); p.Exe != path || p.ExeDeleted {
		t.Errorf("executable %q, deleted %v, want %q", p.Exe, p.ExeDeleted, path)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, p := owner(t, listener.row); p.Exe != path || !p.ExeDeleted {
		t.Errorf("executable %q, deleted %v, want %q deleted", p.Exe, p.ExeDeleted, path)
	}
}

// openTerminal makes a pseudo-terminal; it returns its two sides and its name
// below /dev.
func openTerminal(t *testing.T) (master, slave *os.File, name string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	name = fmt.Sprintf("pts/%d", number)
	slave, err = os.OpenFile("/dev/"+name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave, name
}

func TestJobOfShell(t *testing.T) {
	_, terminal, name := openTerminal(t)
	listener := ownListener(t)
	shell := listener.passTo(exec.Command("/bin/sh", "-c", "set -m; sleep 1000 & exec 3>&-; echo $!; wait"))
	shell.Stdin = terminal
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	output, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		shell.Process.Kill()
		shell.Wait()
	})
	var job int
	if _, err := fmt.Fscan(output, &job); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Kill(job, unix.SIGKILL) })
	listener.Close()
	_, p := owner(t, listener.row)
	pid := shell.Process.Pid
	if p.PID != job || p.TTY != name || p.PGID != job || p.SID != pid {
		t.Errorf("process %d on %q, group %d, session %d; want %d on %q, group %d, session %d",
			p.PID, p.TTY, p.PGID, p.SID, job, name, job, pid)
	}
	if diff := cmp.Diff(&ProcessRef{PID: pid, Name: "sh"}, p.Shell); diff != "" {
		t.Errorf("shell (-want +got):\n%s", diff)
	}
}

// TestWaits makes each kind of sleep. A process is not yet asleep when it says
// that it is about to be, so it is asked until the answer is the wanted one.
func TestWaits(t *testing.T) {
	tests := map[string]struct {
		start func(testing.TB, ownedSocket)
		want  Waits
	}{
		"accept":    {role("wait in accept"), WaitsYes},
		"epoll":     {role("wait in epoll"), WaitsYes},
		"poll":      {role("wait in poll"), WaitsMaybe},
		"nanosleep": {program("/bin/sleep", "1000"), WaitsNo},
		"pipe":      {program("/bin/cat"), WaitsNo},
	}
	if runtime.GOARCH == "386" { // accept by socketcall(2), which tells no descriptor
		accept := tests["accept"]
		accept.want = WaitsMaybe
		tests["accept"] = accept
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			listener := ownListener(t)
			test.start(t, listener)
			var got Owner
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
				got, _ = owner(t, listener.row)
				if got.Waits == test.want {
					return
				}
				runtime.Gosched()
			}
			t.Errorf("owner %+v, want waits %q", got, test.want)
		})
	}
}

func role(name string) func(testing.TB, ownedSocket) {
	return func(t testing.TB, s ownedSocket) { s.heldBy(t, name) }
}

func program(name string, arguments ...string) func(testing.TB, ownedSocket) {
	return func(t testing.TB, s ownedSocket) { s.startWith(t, name, arguments...) }
}

func init() {
	roles["wait in accept"] = func([]string) {
		fmt.Println("ready")
		unix.Accept(3)
	}
	roles["wait in epoll"] = func([]string) {
		epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		check(err)
		check(unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, 3, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: 3}))
		fmt.Println("ready")
		unix.EpollWait(epoll, make([]unix.EpollEvent, 1), -1)
	}
	roles["wait in poll"] = func([]string) {
		fmt.Println("ready")
		unix.Poll([]unix.PollFd{{Fd: 3, Events: unix.POLLIN}}, -1)
	}
}

func TestCloseOnExec(t *testing.T) {
	listener := ownListener(t)
	if o, _ := owner(t, listener.row); o.CloseOnExec == nil || !*o.CloseOnExec {
		t.Errorf("close on exec %v, want true", o.CloseOnExec)
	}
	inherited := ownListener(t)
	inherited.heldBy(t, "hold")
	if o, _ := owner(t, inherited.row); o.CloseOnExec == nil || *o.CloseOnExec {
		t.Errorf("close on exec %v after an exec, want false", o.CloseOnExec)
	}
	connection := listener.row
	connection.State = StateEstablished
	if o, _ := owner(t, connection); o.CloseOnExec != nil || o.Waits != "" {
		t.Errorf("a connection's owner is looked at: %+v", o)
	}
	copied, err := unix.Dup(int(listener.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(copied)
	if o, _ := owner(t, listener.row); o.CloseOnExec == nil || *o.CloseOnExec {
		t.Errorf("close on exec %v with one descriptor that is not, want false", o.CloseOnExec)
	}
}

func TestCanListen(t *testing.T) {
	for _, state := range []State{StateListen, StateBound} {
		listener := ownListener(t)
		listener.row.State = state
		listener.startWith(t, "/bin/sleep", "1000")
		if _, p := owner(t, listener.row); p.CanListen == nil || *p.CanListen {
			t.Errorf("sleep can listen on a %s socket: %v, want false", state, p.CanListen)
		}
	}
	listener := ownListener(t)
	listener.heldBy(t, "hold")
	if _, p := owner(t, listener.row); p.CanListen != nil {
		t.Errorf("this program can listen: %v, want nil", *p.CanListen)
	}
	sleeping := ownListener(t)
	sleeping.row.State = StateEstablished
	sleeping.startWith(t, "/bin/sleep", "1000")
	if _, p := owner(t, sleeping.row); p.CanListen != nil {
		t.Errorf("a connection's owner is asked whether it can listen: %v", *p.CanListen)
	}
}

func TestProgramsOfThisSystem(t *testing.T) {
	for name, want := range map[string]*bool{
		"/bin/sleep": new(false), "/bin/cat": new(false),
		"/bin/bash": nil, "/proc/self/exe": nil, "/etc/passwd": nil,
	} {
		file, err := os.Open(name)
		if err != nil {
			t.Skipf("a program of most systems is not here: %v", err)
		}
		defer file.Close()
		if diff := cmp.Diff(want, programCanListen(file)); diff != "" {
			t.Errorf("%s can listen (-want +got):\n%s", name, diff)
		}
	}
	if !slices.ContainsFunc([]string{"/usr/lib/libcups.so.2", "/x/libcat.so"}, mayListen) || mayListen("/lib/libc.so.6") {
		t.Error("libraries are mistaken for others")
	}
}
