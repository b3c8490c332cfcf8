package main

import (
	"errors"
	"fmt"

	"portdoc/diagnose"
)

// The exit statuses are a contract with scripts. With several targets the
// highest one wins.
const (
	exitFree    = 0
	exitBlocked = 1 // also conditional: a plain bind fails
	exitUsage   = 2 // also an answer that could not be written
	exitUnknown = 3 // also nothing at all could be read
)

// exitHelp is the part of each help text about exit statuses.
const exitHelp = `  0  free: a bind with the asked options succeeds
  1  blocked or conditional: a plain bind fails
  2  wrong usage, or the answer could not be written
  3  unknown: it can't be told from here`

// exitStatus is an error that has been told already: the verdict of a report.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// failure is an error with an exit status of its own. Its text is one line
// without a full stop.
type failure struct {
	status int
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usageError is an error of whoever wrote the command line. The examples show
// how it should have been.
func usageError(err error, examples string) error {
	return &failure{exitUsage, fmt.Errorf("%w (for example: %s)", err, examples)}
}

// statusOf is the exit status that an error of a command leads to.
func statusOf(err error) int {
	var status exitStatus
	var failed *failure
	switch {
	case err == nil:
		return exitFree
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &failed):
		return failed.status
	}
	return exitUsage
}

// statusOfVerdict is the exit status that stands for a verdict.
func statusOfVerdict(verdict diagnose.Verdict) int {
	switch verdict {
	case diagnose.Free:
		return exitFree
	case diagnose.Conditional, diagnose.Blocked:
		return exitBlocked
	}
	return exitUnknown
}
