package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	roles["signals"] = signalsRole
}

// signalsRole prints each signal that it gets, and ends with SIGUSR2.
func signalsRole([]string) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGUSR1, unix.SIGUSR2)
	fmt.Println("ready")
	for s := range signals {
		fmt.Println(s)
		if s == unix.SIGUSR2 {
			return
		}
	}
}

// groupRun is a portdoc run in a process group of its own.
type groupRun struct {
	*exec.Cmd
	t     *testing.T
	input io.Writer
	lines *bufio.Reader
}

func startGroup(t *testing.T, words ...string) *groupRun {
	t.Helper()
	g := &groupRun{Cmd: exec.Command("portdoc", append([]string{"run", "--"}, words...)...), t: t}
	g.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	g.Stderr = os.Stderr
	out, err := g.StdoutPipe()
	must(err)
	g.input, err = g.StdinPipe()
	must(err)
	must(g.Start())
	t.Cleanup(func() { unix.Kill(-g.Process.Pid, unix.SIGKILL) })
	g.lines = bufio.NewReader(out)
	return g
}

func (g *groupRun) line() string {
	g.t.Helper()
	text, err := g.lines.ReadString('\n')
	if err != nil {
		g.t.Fatalf("%v after %q", err, text)
	}
	return strings.TrimSpace(text)
}

// TestRunSignals: the command gets each signal once, whether it was meant for
// portdoc alone or for the whole group.
func TestRunSignals(t *testing.T) {
	t.Parallel()
	path, err := os.Executable()
	must(err)
	g := startGroup(t, "env", "PORTDOC_TEST_ROLE=signals", path)
	if got := g.line(); got != "ready" {
		t.Fatal(got)
	}
	pid := g.Process.Pid
	for _, step := range []struct {
		to     int
		signal syscall.Signal
		want   string
	}{
		{pid, unix.SIGTERM, "terminated"},
		{-pid, unix.SIGINT, "interrupt"},
		{-pid, unix.SIGTERM, "terminated"},
		{pid, unix.SIGUSR1, "user defined signal 1"},
		{pid, unix.SIGUSR2, "user defined signal 2"},
	} {
		must(unix.Kill(step.to, step.signal))
		if got := g.line(); got != step.want {
			t.Errorf("%v to %d: the command got %q, want %q", step.signal, step.to, got, step.want)
		}
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// TestRunKilled: the death of portdoc does no harm to the command.
func TestRunKilled(t *testing.T) {
	t.Parallel()
	g := startGroup(t, binder("wait", "127.0.0.1:0", "dial="+newPuppet(t).do("listen", "127.0.0.1:0"), "127.0.0.1:0")...)
	g.line()
	must(g.Process.Kill())
	g.Process.Wait()
	fmt.Fprintln(g.input)
	if got := g.line(); got != "bound" {
		t.Errorf("the command printed %q, want that it has bound", got)
	}
}

// TestRunStopped: neither does it that portdoc is stopped.
func TestRunStopped(t *testing.T) {
	t.Parallel()
	g := startGroup(t, binder("wait", "127.0.0.1:0", "dial="+newPuppet(t).do("listen", "127.0.0.1:0"), "127.0.0.1:0")...)
	g.line()
	must(unix.Kill(g.Process.Pid, unix.SIGSTOP))
	fmt.Fprintln(g.input)
	if got := g.line(); got != "bound" {
		t.Errorf("the command printed %q, want that it has bound", got)
	}
	must(unix.Kill(g.Process.Pid, unix.SIGCONT))
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// TestRunContinued: when only the command is stopped and continued, portdoc is
// stopped and continued with it.
func TestRunContinued(t *testing.T) {
	t.Parallel()
	g := startGroup(t, "sh", "-c", "echo $$; read line; echo $line")
	var pid int
	_, err := fmt.Sscan(g.line(), &pid)
	must(err)
	must(unix.Kill(pid, unix.SIGSTOP))
	var status syscall.WaitStatus
	_, err = syscall.Wait4(g.Process.Pid, &status, unix.WUNTRACED, nil)
	must(err)
	if !status.Stopped() {
		t.Fatalf("portdoc has not stopped: %#x", status)
	}
	must(unix.Kill(pid, unix.SIGCONT))
	fmt.Fprintln(g.input, "on it goes")
	if got := g.line(); got != "on it goes" {
		t.Error(got)
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// TestRunTerminal: in a terminal Ctrl+Z, fg and Ctrl+C do to a command under
// portdoc what they do without.
func TestRunTerminal(t *testing.T) {
	t.Parallel()
	const ctrlC, ctrlZ = "\x03", "\x1a"
	for _, flags := range []string{"", "--text-only "} {
		terminal := newTerminal(t)
		path, err := os.Executable()
		must(err)
		terminal.typed(fmt.Sprintf("portdoc run %s-- env PORTDOC_TEST_ROLE=daemon '%s' 127.0.0.1:0\n", flags, path))
		terminal.until("daemon '"+path, "\n")
		port := portOf(strings.TrimSpace(terminal.until("\n")))
		for range 2 {
			terminal.typed(ctrlZ)
			terminal.until("Stopped", "$ ")
			terminal.typed("fg\n")
			for slices.Contains(causes(why(t, port)), "stopped") {
				// The shell gives it the terminal first, and continues it then.
			}
		}
		terminal.typed(ctrlC)
		terminal.until("$ ")
		terminal.typed("echo status $?\n")
		terminal.until("$?\r\n")
		if got := strings.TrimSpace(terminal.until("\n")); got != "status 130" {
			t.Errorf("flags %q: %s, want status 130", flags, got)
		}
	}
}

// TestRunTerminalKept: standard error stays a terminal for the command, also
// where it is read.
func TestRunTerminalKept(t *testing.T) {
	t.Parallel()
	terminal := newTerminal(t)
	terminal.typed("portdoc run --text-only -- sh -c 'test -t 0 && test -t 1 && test -t 2 && echo is a t''ty >&2'\n")
	terminal.until("is a tty\r\n", "$ ")
}
