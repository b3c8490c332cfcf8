package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/term"

	"portdoc/diagnose"
)

// defaultWidth is the number of columns where nobody says how many there are.
const defaultWidth = 80

// console is where a command reads from and writes to, and what is known of
// the terminal there.
type console struct {
	in     io.Reader
	out    *output
	errors io.Writer
	// terminal tells whether out is one. width is its columns, at least 1.
	terminal bool
	width    int
	color    bool
}

// presence says whether this process has a standard output.
type presence int

const (
	present presence = iota
	// perhapsClosed is a /dev/null that somebody meant, or that stands in
	// for a closed one.
	perhapsClosed
	closed
)

// output remembers the first error of its writer, so that nobody has to look
// at each of cobra's own writes.
type output struct {
	io.Writer
	err error
	// nowhere tells that nobody reads it, which may be an oversight; told
	// that an answer went there.
	nowhere, told bool
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.Writer.Write(p)
	o.err, o.told = err, true
	return n, err
}

// systemConsole is the console of this process.
func systemConsole() *console {
	c := &console{in: os.Stdin, out: &output{Writer: os.Stdout}, errors: os.Stderr, width: defaultWidth}
	switch standardOutput() {
	case closed:
		c.out.err = syscall.EBADF
	case perhapsClosed:
		c.out.nowhere = true
	}
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
		c.width = columns
	}
	if c.terminal = term.IsTerminal(int(os.Stdout.Fd())); !c.terminal {
		return c
	}
	if columns, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && columns > 0 {
		c.width = columns
	}
	c.color = colorful()
	return c
}

// colorful tells whether a terminal is to get colours. An older Windows console
// would show the codes instead.
func colorful() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && runtime.GOOS != "windows"
}

// complain writes an error as one line that can't disturb a terminal.
func (c *console) complain(err error) {
	fmt.Fprintf(c.errors, "portdoc: %s\n", diagnose.Printable(err.Error()))
}

// finish tells an error of a command and of writing its answer, and returns
// the exit status.
func (c *console) finish(err error) int {
	if told := exitStatus(0); err != nil && !errors.As(err, &told) && !errors.Is(err, c.out.err) {
		c.complain(err)
		return statusOf(err)
	}
	if c.out.err != nil {
		c.complain(writeError(c.out.err))
		return exitUsage
	}
	if c.out.nowhere && c.out.told {
		c.complain(errors.New("standard output is closed or goes nowhere; the exit status is the answer (for example: portdoc why 5188 > answer.txt)"))
	}
	return statusOf(err)
}

// writeError says in plain words why an answer could not be written.
func writeError(err error) error {
	if errors.Is(err, syscall.EBADF) {
		return errors.New("standard output is closed (for example: portdoc why 5188 > answer.txt)")
	}
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("the answer could not be written to standard output: %w", err)
}
