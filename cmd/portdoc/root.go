package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exitError ends the program with a status. Err is printed unless it is nil.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return fmt.Sprint(e.err) }
func (e *exitError) Unwrap() error { return e.err }

func usageErrorf(format string, arguments ...any) error {
	return &exitError{2, fmt.Errorf(format, arguments...)}
}

func run(arguments []string, s streams) int {
	root := &cobra.Command{Use: "portdoc", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(newServeCommand(s, nil), newClientCommand(s))
	root.SetArgs(arguments)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{2, err} })
	err := root.Execute()
	if err == nil {
		return 0
	}
	exit := &exitError{2, err}
	errors.As(err, &exit)
	if exit.err != nil {
		fmt.Fprintln(s.err, "portdoc:", exit.err)
	}
	return exit.status
}
