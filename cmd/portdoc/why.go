package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"portdoc/diagnose"
	"portdoc/netstate"
)

const whyHelp = `Say why an address can or can't be bound, who holds it, and what to do.

A TARGET is a port, an address with a port, a service name, or a unix socket.
Without an address both wildcards are meant: 0.0.0.0, and [::] for IPv6 and IPv4.
Each bind is tried for real and undone at once; nothing ever listens.

With "-" it reads a log or an error message on standard input, finds the binds
that failed in it, and explains each as it comes.`

const whyExamples = `  portdoc why 5188                  a TCP port, on every address
  portdoc why 127.0.0.1:8080        one address; also '[::1]:8080', localhost:8080
  portdoc why 5353/udp              UDP
  portdoc why /run/app.sock         a unix socket; also @name for an abstract one
  portdoc why 80 443 --json         several targets, one JSON object each
  portdoc why 5188 --snapshot FILE  what "portdoc capture" wrote, anywhere
  ... 2>&1 | portdoc why -          what a program prints, as it prints it`

// whyOptions are the flags and arguments of why.
type whyOptions struct {
	words    []string
	snapshot string
	json     bool
	noProbe  bool
	extract  bool
	question diagnose.Question
}

func newWhy(c *console) *cobra.Command {
	var o whyOptions
	command := &cobra.Command{
		Use:         "why TARGET... | -",
		Short:       "Say why an address can't be bound and what to do",
		Long:        whyHelp,
		Example:     whyExamples,
		Annotations: map[string]string{exitAnnotation: exitHelp},
		Args:        cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, words []string) error {
			o.words = words
			if len(words) == 1 && words[0] == "-" {
				return runWhyLog(command.Context(), c, &o)
			}
			if o.extract {
				return usageError(errors.New("--extract is about a log on standard input"), "portdoc why - --extract < LOG")
			}
			return runWhy(command.Context(), c, &o)
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.json, "json", false, "write one JSON object for each target")
	flags.BoolVar(&o.noProbe, "no-probe", false, "try no bind, only look")
	flags.BoolVar(&o.question.ReuseAddr, "reuseaddr", false, "the program that will bind sets SO_REUSEADDR")
	flags.BoolVar(&o.question.ReusePort, "reuseport", false, "it sets SO_REUSEPORT")
	flags.BoolVar(&o.question.V6Only, "v6only", false, "it sets IPV6_V6ONLY")
	flags.BoolVar(&o.question.AllSockets, "all-sockets", false, "show each socket, however many there are")
	flags.BoolVar(&o.extract, "extract", false, "with -: write what was read as JSON, and explain nothing")
	flags.StringVar(&o.snapshot, "snapshot", "", "explain the snapshot in `FILE` (\"-\" for standard input)")
	return command
}

// runWhy answers each target on the command line. All of them are answered
// from one snapshot.
func runWhy(ctx context.Context, c *console, o *whyOptions) error {
	reports, err := explain(ctx, c, o)
	if err != nil {
		return err
	}
	status := exitFree
	for i, report := range reports {
		if err := writeReport(c, o, report, i == 0); err != nil {
			return err
		}
		status = max(status, statusOfVerdict(report.Verdict))
	}
	return exitStatus(status)
}

// explain answers from the snapshot that was named, else from this machine.
func explain(ctx context.Context, c *console, o *whyOptions) ([]*diagnose.Report, error) {
	if o.snapshot != "" {
		return explainSnapshot(ctx, c, o)
	}
	subjects, err := parseSubjects(ctx, o.words, "why")
	if err != nil {
		return nil, err
	}
	ask := func(s *netstate.Snapshot) []diagnose.Question { return questions(subjects, o.question, s) }
	look := observation{query: query(subjects), ask: ask, why: diagnose.Why, probe: !o.noProbe}
	_, reports, err := look.observe(ctx)
	return reports, err
}

// explainSnapshot answers from a snapshot. Without targets it is about what
// the snapshot was captured for.
func explainSnapshot(ctx context.Context, c *console, o *whyOptions) ([]*diagnose.Report, error) {
	s, err := readSnapshot(c.in, o.snapshot)
	if err != nil {
		return nil, err
	}
	words := o.words
	if len(words) == 0 {
		words = captured(s)
	}
	subjects, err := parseSubjects(ctx, words, "why")
	if err != nil {
		return nil, err
	}
	if err := covers(s, subjects, o.snapshot); err != nil {
		return nil, err
	}
	if o.noProbe {
		s.Observed = nil
	}
	return answer(s, questions(subjects, o.question, s), diagnose.Why), nil
}

// readSnapshot reads a snapshot from a file, or from in if the name is "-".
func readSnapshot(in io.Reader, name string) (*netstate.Snapshot, error) {
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, snapshotError(name, err)
		}
		defer file.Close()
		in = file
	}
	s, err := netstate.ReadSnapshot(in)
	if err != nil {
		return nil, snapshotError(name, err)
	}
	return s, nil
}

// snapshotError says what is wrong with a snapshot's file.
func snapshotError(name string, err error) error {
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		err = path.Err
	}
	return usageError(fmt.Errorf("the snapshot %s can't be read: %w", quote(name), err),
		"portdoc capture 5188 -o FILE, then portdoc why 5188 --snapshot FILE")
}

// writeReport writes one report in the form that was asked for.
func writeReport(c *console, o *whyOptions, report *diagnose.Report, first bool) error {
	if o.json {
		return writeJSON(c.out, report, c.terminal)
	}
	text := renderText(report, layout{width: c.width, color: c.color, allSockets: o.question.AllSockets})
	if !first {
		text = "\n" + text
	}
	_, err := io.WriteString(c.out, text)
	return err
}
