package lab

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// actor is a child process, in a process group of its own: what is typed in
// the terminal does not reach it, and its children are ended with it.
type actor struct {
	name    string
	stage   *stage
	command *exec.Cmd
	input   *os.File
	// lines are what it prints, on either output. It is closed when nobody
	// has the output open any more: neither the process nor its children.
	lines chan string
	// silent is closed at the same time, also while lines are left to read.
	silent chan struct{}
	// heir tells that a child outlives the process.
	heir bool
	// ended is closed when the process has been waited for.
	ended chan struct{}
}

// start runs portdoc with arguments.
func (s *stage) start(name string, arguments ...string) *actor {
	a := &actor{name: name, stage: s, lines: make(chan string, 64), silent: make(chan struct{}), ended: make(chan struct{})}
	output, theirs := pipe()
	defer theirs.Close()
	// The input is a pipe of our own, which stays open for a child that
	// outlives the process.
	input, ours := pipe()
	defer input.Close()
	a.input = ours
	a.command = &exec.Cmd{Path: s.Program, Args: append([]string{"portdoc"}, arguments...),
		Stdin: input, Stdout: theirs, Stderr: theirs, SysProcAttr: ownGroup()}
	if err := a.command.Start(); err != nil {
		ours.Close()
		output.Close()
		surprised("%s could not be started: %v", name, err)
	}
	s.actors = append(s.actors, a)
	go a.read(output)
	go a.wait()
	return a
}

func pipe() (reader, writer *os.File) {
	reader, writer, err := os.Pipe()
	if err != nil {
		surprised("%v", err)
	}
	return reader, writer
}

func (a *actor) read(output *os.File) {
	defer close(a.lines)
	defer close(a.silent)
	defer output.Close()
	for text := bufio.NewScanner(output); text.Scan(); {
		a.lines <- text.Text()
	}
}

func (a *actor) wait() {
	a.command.Wait()
	close(a.ended)
}

// next is the next line that the process prints.
func (a *actor) next() string {
	select {
	case line, ok := <-a.lines:
		if !ok {
			surprised("%s ended before it said anything more", a.name)
		}
		return line
	case <-a.stage.ctx.Done():
		surprised("%v", a.stage.ctx.Err())
	case <-time.After(patience):
		surprised("%s said nothing for %v", a.name, patience)
	}
	panic("unreachable")
}

// line is next, noted.
func (a *actor) line() string {
	line := a.next()
	a.stage.says(a.name, line)
	return line
}

// wants checks the next line.
func (a *actor) wants(want string) {
	if line := a.next(); line != want {
		surprised("%s should say %q; it says %q", a.name, want, line)
	}
	if want != "ready" {
		a.stage.says(a.name, want)
	}
}

// tell sends a line to the process's standard input.
func (a *actor) tell(line string) {
	if _, err := io.WriteString(a.input, line+"\n"); err != nil {
		surprised("%s does not listen to its input: %v", a.name, err)
	}
}

// closeInput ends the process's standard input.
func (a *actor) closeInput() { a.input.Close() }

// leave ends the process's standard input, and waits for its end.
func (a *actor) leave() {
	a.input.Close()
	a.end()
}

// end waits until the process has ended, and notes what it still says and how
// it ended.
func (a *actor) end() {
	a.await()
	if !a.heir {
		for line := range a.lines {
			a.stage.says(a.name, line)
		}
	}
	a.stage.says(a.name, "("+a.command.ProcessState.String()+")")
}

// fail waits for an end with an error, whose first line has the text in it.
// What follows is the diagnosis, which comes in the end anyway.
func (a *actor) fail(text string) {
	if line := a.line(); !strings.Contains(line, text) {
		surprised("%s should have failed: %s", a.name, text)
	}
	a.await()
	for range a.lines {
		// It is not noted.
	}
	if a.command.ProcessState.Success() {
		surprised("%s should have ended with an error", a.name)
	}
}

// await waits until the process has ended.
func (a *actor) await() {
	select {
	case <-a.ended:
	case <-a.stage.ctx.Done():
		surprised("%v", a.stage.ctx.Err())
	case <-time.After(patience):
		surprised("%s should have ended", a.name)
	}
}

// busy is the processor time that the ended process has used.
func (a *actor) busy() time.Duration {
	return a.command.ProcessState.UserTime() + a.command.ProcessState.SystemTime()
}

// gone tells whether the process has ended.
func (a *actor) gone() bool { return isClosed(a.ended) }

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// kill ends the process and its children, and waits until they are gone.
func (a *actor) kill() {
	killGroup(a)
	a.input.Close()
	<-a.ended
	for range a.lines {
		// The end of the output is that of the last one who has it.
	}
}
