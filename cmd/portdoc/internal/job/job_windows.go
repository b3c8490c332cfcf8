package job

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// CompanionCommand is the word on the command line that makes this program a
// companion, which Windows has no use for.
const CompanionCommand = "run-companion"

// Accompany does nothing.
func Accompany([]string, func([]*os.File, *os.File)) {}

// Companion is nothing on Windows.
type Companion struct{}

// NewCompanion starts none.
func NewCompanion([]*os.File) *Companion { return nil }

// Close does nothing.
func (*Companion) Close() {}

// Job is a command that runs.
type Job struct {
	command     *exec.Cmd
	interrupted atomic.Bool
}

// Start starts a command. Ctrl+C reaches it as every process of the console;
// this one does not end by it. The error is a [StartError].
func Start(c Command, fork func(func() error) error, _ *Companion) (*Job, error) {
	j := &Job{command: &exec.Cmd{Path: c.Path, Args: c.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}}
	if c.Stderr != nil {
		j.command.Stderr = c.Stderr
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	go func() {
		for range signals {
			j.interrupted.Store(true)
		}
	}()
	if err := fork(j.command.Start); err != nil {
		signal.Stop(signals)
		return nil, startError(c.Args[0], err)
	}
	return j, nil
}

// PID is the command's process id.
func (j *Job) PID() int { return j.command.Process.Pid }

// Interrupted tells whether Ctrl+C was pressed.
func (j *Job) Interrupted() bool { return j.interrupted.Load() }

// Wait returns when the command has ended.
func (j *Job) Wait() Status {
	var exit *exec.ExitError
	if err := j.command.Wait(); err != nil && !errors.As(err, &exit) {
		return Status{Code: NotExecutable}
	}
	return Status{Code: j.command.ProcessState.ExitCode()}
}

// DieOf does nothing: Windows knows no death by a signal.
func DieOf(syscall.Signal) {}
