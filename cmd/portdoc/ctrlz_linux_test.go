package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"portdoc/diagnose"
)

// TestCtrlZ is the story that portdoc began with: in a terminal, a shell runs
// a server, somebody types Ctrl+Z, and the port stays taken until the server
// is continued and ended.
func TestCtrlZ(t *testing.T) {
	t.Parallel()
	terminal := newTerminal(t)
	path, err := os.Executable()
	must(err)
	terminal.typed(fmt.Sprintf("PORTDOC_TEST_ROLE=daemon '%s' 127.0.0.1:0\n", path))
	terminal.until("daemon '"+path, "\n")
	port := portOf(strings.TrimSpace(terminal.until("\n")))
	const ctrlC, ctrlZ = "\x03", "\x1a"

	terminal.typed(ctrlZ)
	terminal.until("Stopped", "$ ")
	report := why(t, port)
	checkStopped(t, report, terminal.name)

	terminal.typed("fg\n")
	for slices.Contains(causes(why(t, port)), "stopped") {
		// The shell gives it the terminal first, and continues it then.
	}
	terminal.typed(ctrlC)
	terminal.until("$ ")
	if report := why(t, port); report.Verdict != diagnose.Free {
		t.Errorf("after Ctrl+C: %s", indented(report))
	}
}

func checkStopped(t *testing.T, report *diagnose.Report, tty string) {
	t.Helper()
	if len(report.Causes) == 0 || report.Causes[0].ID != "stopped" {
		t.Fatalf("the first cause is not the stopped process:\n%s", indented(report))
	}
	process := report.Processes[0]
	if process.TTY == nil || *process.TTY != tty || process.State != "stopped" || process.Shell == nil {
		t.Errorf("process %+v, want it stopped on %s with its shell", process, tty)
	}
	first := report.Remedies[0]
	if !slices.Equal(first.Commands, []string{"fg"}) || !strings.Contains(first.Where, tty) {
		t.Errorf("first remedy %+v, want fg in %s", first, tty)
	}
}

// terminal is a pseudo-terminal with an interactive shell in it.
type terminal struct {
	t      *testing.T
	name   string // as "pts/3"
	file   *os.File
	output *bufio.Reader
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	file, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	must(err)
	must(unix.IoctlSetPointerInt(int(file.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(file.Fd()), unix.TIOCGPTN)
	must(err)
	name := fmt.Sprintf("pts/%d", number)
	other, err := os.OpenFile("/dev/"+name, os.O_RDWR|syscall.O_NOCTTY, 0)
	must(err)
	defer other.Close()

	shell := exec.Command("sh", "-i")
	shell.Env = append(os.Environ(), "PS1=$ ", "ENV=", "LC_ALL=C")
	shell.Stdin, shell.Stdout, shell.Stderr = other, other, other
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(shell.Start())
	t.Cleanup(func() {
		file.Close() // hangs up: the shell and its jobs end
		shell.Process.Kill()
		shell.Wait()
	})
	term := &terminal{t: t, name: name, file: file, output: bufio.NewReader(file)}
	term.until("$ ")
	return term
}

func (term *terminal) typed(keys string) {
	term.t.Helper()
	if _, err := term.file.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// until reads what the terminal shows up to each of the texts, one after the
// other, and returns what stood before the last.
func (term *terminal) until(texts ...string) string {
	term.t.Helper()
	var shown strings.Builder
	for _, text := range texts {
		shown.Reset()
		for !strings.HasSuffix(shown.String(), text) {
			b, err := term.output.ReadByte()
			if err != nil {
				term.t.Fatalf("waiting for %q after %q: %v", text, shown.String(), err)
			}
			shown.WriteByte(b)
		}
	}
	return shown.String()
}
