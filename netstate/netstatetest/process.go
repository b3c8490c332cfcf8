package netstatetest

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// roleVariable is set in the environment of a process that [Start] began.
const roleVariable = "PORTDOC_TEST_ROLE"

// Roles are what a test binary can be besides a test, by name. A role gets
// the arguments given to [Start], prints a line when it is ready, and usually
// ends when its standard input does.
type Roles map[string]func(arguments []string)

// Run carries out the role that this process was started for and exits. It
// returns if there is none.
func (r Roles) Run() {
	name := os.Getenv(roleVariable)
	if name == "" {
		return
	}
	role, ok := r[name]
	if !ok {
		panic("no such role: " + name)
	}
	role(os.Args[1:])
	os.Exit(0)
}

// UntilInputEnds blocks until standard input is closed, as it is when the
// test that started this process is over.
func UntilInputEnds() { io.Copy(io.Discard, os.Stdin) }

// Process is another process, started for a test and ended with it.
type Process struct {
	*exec.Cmd
	input  io.WriteCloser
	output *bufio.Reader
	wait   sync.Once
}

// Command prepares this test binary for a role; the caller may change the
// command before [Run] starts it.
func Command(role string, arguments ...string) *exec.Cmd {
	command := exec.Command(self(), arguments...)
	command.Env = append(os.Environ(), roleVariable+"="+role)
	command.Stderr = os.Stderr
	return command
}

// Start runs this test binary in a role. It returns once the role has printed
// its first line; see [Run].
func Start(t testing.TB, role string, arguments ...string) (*Process, string) {
	t.Helper()
	return Run(t, Command(role, arguments...))
}

// Run starts a command and returns it with the first line it printed, without
// the newline. The process is killed at the end of the test.
func Run(t testing.TB, command *exec.Cmd) (*Process, string) {
	t.Helper()
	p := &Process{Cmd: command}
	var err error
	if p.input, err = command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.output = bufio.NewReader(output)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p, p.Line(t)
}

// Line returns the next line that the process prints, without the newline.
func (p *Process) Line(t testing.TB) string {
	t.Helper()
	line, err := p.output.ReadString('\n')
	if err != nil {
		t.Fatalf("%v ended without the line it owed: %v", p.Args, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// Rest returns what the process still prints until it has ended, while its
// standard input stays open.
func (p *Process) Rest(t testing.TB) string {
	t.Helper()
	text, err := io.ReadAll(p.output)
	if err != nil {
		t.Fatalf("%v: %v", p.Args, err)
	}
	p.CloseInput()
	return string(text)
}

// Tell writes a line to the process's standard input.
func (p *Process) Tell(t testing.TB, line string) {
	t.Helper()
	if _, err := io.WriteString(p.input, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

// CloseInput ends the process's standard input and waits until it has ended.
func (p *Process) CloseInput() {
	p.input.Close()
	p.wait.Do(func() { p.Cmd.Wait() })
}

// Kill ends the process at once and waits until it has ended.
func (p *Process) Kill() {
	p.Cmd.Process.Kill()
	p.CloseInput()
}

// self is the path of this test binary.
func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}
