package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"portdoc/diagnose"
	"portdoc/netstate"
)

const captureHelp = `Write what this machine says about its sockets to a file, for "portdoc why
--snapshot FILE" on any other machine. Without a TARGET it is about every TCP
and UDP port.

The snapshot names processes, users and addresses. It never has environment
variables in it, and command lines only with --arguments.`

const captureExamples = `  portdoc capture 5188 -o snapshot.json   one port
  portdoc capture -o snapshot.json        every port
  portdoc capture 5188 | gzip > s.gz      on standard output`

const captureExitHelp = `  0  the snapshot is written
  2  wrong usage, or the snapshot could not be written
  3  nothing could be read`

// captureOptions are the flags and arguments of capture.
type captureOptions struct {
	words     []string
	file      string
	arguments bool
}

func newCapture(c *console) *cobra.Command {
	var o captureOptions
	command := &cobra.Command{
		Use:         "capture [TARGET...]",
		Short:       "Write a snapshot that can be explained anywhere",
		Long:        captureHelp,
		Example:     captureExamples,
		Annotations: map[string]string{exitAnnotation: captureExitHelp},
		Args:        cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, words []string) error {
			o.words = words
			return runCapture(command.Context(), c, &o)
		},
	}
	command.Flags().SortFlags = false
	command.Flags().StringVarP(&o.file, "output", "o", "", "write to `FILE` instead of standard output")
	command.Flags().BoolVar(&o.arguments, "arguments", false, "include the command lines of processes")
	return command
}

// runCapture writes a snapshot. The binds that a question about the targets
// needs are tried, so that the snapshot explains itself elsewhere.
func runCapture(ctx context.Context, c *console, o *captureOptions) error {
	var subjects []subject
	var err error
	if len(o.words) > 0 {
		if subjects, err = parseSubjects(ctx, o.words, "capture"); err != nil {
			return err
		}
	}
	asked := query(subjects)
	if len(subjects) == 0 {
		asked = everything()
	}
	ask := func(s *netstate.Snapshot) []diagnose.Question { return questions(subjects, diagnose.Question{}, s) }
	look := observation{query: asked, ask: ask, why: diagnose.Why, probe: true, keep: true}
	s, _, err := look.observe(ctx)
	if err != nil {
		return err
	}
	if !o.arguments {
		s = s.WithoutArguments()
	}
	if o.file == "" || o.file == "-" {
		return s.Write(c.out)
	}
	return fileError(o.file, writeFile(o.file, s.Write))
}

// everything asks about all ports.
func everything() netstate.Query {
	return netstate.Query{Endpoints: []netstate.Endpoint{
		{Network: netstate.TCP, Port: 1, LastPort: 65535},
		{Network: netstate.UDP, Port: 1, LastPort: 65535},
	}}
}

// writeFile makes a file that only its owner may read, whole or not at all.
// An older file of that name is replaced.
func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".portdoc-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(file), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}

// fileError says which file could not be written and why.
func fileError(name string, err error) error {
	if err == nil {
		return nil
	}
	var path *os.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return usageError(fmt.Errorf("%s can't be written: %w", quote(name), err), "portdoc capture 5188 -o snapshot.json")
}
