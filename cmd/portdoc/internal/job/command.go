package job

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// Command is what to run.
type Command struct {
	// Path is the program's file, Args its arguments from its name on.
	Path string
	Args []string
	// Stderr replaces the standard error of this process, nil does not.
	Stderr *os.File
}

// Statuses of commands that can't be started (POSIX shell, 2.8.2).
const (
	NotExecutable = 126
	NotFound      = 127
)

// StartError says why a command can't be started. Status is [NotExecutable] or
// [NotFound].
type StartError struct {
	Name   string
	Status int
	Err    error
}

// Error names the command and says why.
func (e *StartError) Error() string { return e.Name + ": " + e.Err.Error() }

// Unwrap returns Err, so that errors.Is finds the errno.
func (e *StartError) Unwrap() error { return e.Err }

// Find looks for the program as a shell does. The error is a [StartError].
func Find(words []string) (Command, error) {
	path, err := exec.LookPath(words[0])
	if errors.Is(err, exec.ErrDot) { // the user's PATH says so
		err = nil
	}
	if err != nil {
		return Command{}, startError(words[0], err)
	}
	return Command{Path: path, Args: words}, nil
}

func startError(name string, err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return &StartError{name, NotFound, errors.New("command not found")}
	case errors.Is(err, fs.ErrNotExist):
		return &StartError{name, NotFound, errors.New("no such file or directory")}
	case errors.As(err, &errno):
		return &StartError{name, NotExecutable, errno}
	}
	return &StartError{name, NotExecutable, err}
}

// Status is how a command ended: with an exit status, or killed by Signal,
// which is 0 otherwise.
type Status struct {
	Code   int
	Signal syscall.Signal
}

// Exit is the status that a shell has for it.
func (s Status) Exit() int {
	if s.Signal != 0 {
		return 128 + int(s.Signal)
	}
	return s.Code
}
