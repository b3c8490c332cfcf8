package job

import (
	"io"
	"os"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// Stderr stands between the standard error of a command and that of this
// process, to read what passes.
type Stderr struct {
	// Command is the command's end. The caller closes it when the command
	// has been started.
	Command *os.File
	source  *os.File
	resized func()
}

// NewStderr makes one: a pseudo-terminal if standard error is a terminal, so
// that the command writes as it would without, else a pipe.
func NewStderr() (*Stderr, error) {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		if s, err := newTerminal(); err == nil {
			return s, nil
		}
	}
	source, command, err := os.Pipe()
	return &Stderr{Command: command, source: source, resized: func() {}}, err
}

func newTerminal() (*Stderr, error) {
	source, command, err := pty.Open()
	if err != nil {
		return nil, err
	}
	// What is written passes as it is: the real terminal does the rest.
	if _, err := term.MakeRaw(int(command.Fd())); err != nil {
		source.Close()
		command.Close()
		return nil, err
	}
	pty.InheritSize(os.Stderr, source)
	s := &Stderr{Command: command, source: source}
	s.resized = onResize(func() { pty.InheritSize(os.Stderr, source) })
	return s, nil
}

// Pass writes all that the command writes to out at once, and hands a copy to
// seen, until every process that has the command's end has closed it.
func (s *Stderr) Pass(out io.Writer, seen func([]byte)) {
	defer s.resized()
	buffer := make([]byte, 32<<10)
	for {
		n, err := s.source.Read(buffer)
		if n > 0 {
			out.Write(buffer[:n])
			seen(buffer[:n])
		}
		if err != nil { // io.EOF of a pipe, EIO of a terminal
			return
		}
	}
}
