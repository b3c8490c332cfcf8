package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"portdoc/cmd/portdoc/internal/lab"
	"portdoc/diagnose"
)

const labHelp = `Make a state that keeps a port taken, on purpose, and see it explained.

Each experiment starts real processes on a free port of this machine, shows the
sockets after each step, then what "portdoc why" says and why that is so, and
cleans up whatever happens. Without an experiment it lists them.`

const labExamples = `  portdoc lab                   the list
  portdoc lab time-wait         plays one
  portdoc lab ctrl-z --keep     leaves the state standing until Ctrl+C
  portdoc lab all               plays them all, one after the other`

const labExit = `  0  the experiment ended as it should
  1  this machine behaved otherwise, or the end was asked for (Ctrl+C)
  2  wrong usage, or the output could not be written`

// labOptions are the flags of lab.
type labOptions struct {
	keep bool
	json bool
}

func newLab(c *console) *cobra.Command {
	var o labOptions
	command := &cobra.Command{
		Use:         "lab [EXPERIMENT]",
		Short:       "Make a state on purpose and see it explained",
		Long:        labHelp,
		Example:     labExamples,
		Annotations: map[string]string{exitAnnotation: labExit},
		Args:        cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, words []string) error {
			return runLab(command.Context(), c, &o, words)
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.keep, "keep", false, "leave the state standing until Ctrl+C")
	flags.BoolVar(&o.json, "json", false, "write one JSON object for each experiment")
	return command
}

// newLabActor is the command of processes that the lab starts.
func newLabActor(c *console) *cobra.Command {
	return &cobra.Command{
		Use: lab.ActorCommand, Hidden: true, Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return lab.Act(c.in, os.Stdout) },
	}
}

// runLab lists the experiments, or plays those that the words name.
func runLab(ctx context.Context, c *console, o *labOptions, words []string) error {
	if len(words) == 0 {
		return listLab(c, o)
	}
	experiment, err := chosen(words, o)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if words[0] == "all" {
		return playAll(ctx, c, o)
	}
	return play(ctx, c, o, experiment)
}

// chosen is the experiment that the words name, nil for all.
func chosen(words []string, o *labOptions) (*lab.Experiment, error) {
	const examples = "portdoc lab time-wait; the list: portdoc lab"
	e := lab.Find(words[0])
	switch {
	case len(words) > 1:
		return nil, usageError(fmt.Errorf("%s is too much: one experiment at a time, or all", quote(words[1])), examples)
	case o.keep && (o.json || words[0] == "all"):
		return nil, usageError(errors.New("--keep is for one experiment, and for a person to read"), "portdoc lab time-wait --keep")
	case e == nil && words[0] != "all":
		return nil, usageError(fmt.Errorf("%s is no experiment", quote(words[0])), examples)
	}
	return e, nil
}

// play plays one experiment.
func play(ctx context.Context, c *console, o *labOptions, e *lab.Experiment) error {
	if reason := e.Missing(); reason != "" {
		return &failure{exitBlocked, notPlayed{e.Name, errors.New(reason)}}
	}
	program, err := os.Executable()
	if err != nil {
		return &failure{exitBlocked, fmt.Errorf("portdoc can't start itself: %w", err)}
	}
	if e.Network && !lab.InNetwork() {
		return playInNetwork(ctx, c, o, e, program)
	}
	if e.Network {
		if err := lab.SetNetworkUp(); err != nil {
			return &failure{exitUnknown, fmt.Errorf("%s can't be played here: %w", e.Name, err)}
		}
	}
	options := lab.Options{Program: program, Look: labLook(true), Ask: labLook(false), Keep: o.keep}
	if o.json {
		return playJSON(ctx, c, e, options)
	}
	return playText(ctx, c, e, options)
}

// playInNetwork lets a process in a network of its own play.
func playInNetwork(ctx context.Context, c *console, o *labOptions, e *lab.Experiment, program string) error {
	arguments := []string{"lab", e.Name, fmt.Sprintf("--json=%v", o.json), fmt.Sprintf("--keep=%v", o.keep)}
	status, err := lab.PlayInNetwork(ctx, program, arguments, c.out, c.errors)
	switch {
	case errors.Is(err, lab.ErrNoNetwork):
		return &failure{exitBlocked, notPlayed{e.Name, err}}
	case ctx.Err() != nil && err != nil:
		return interrupted()
	case err != nil:
		return &failure{exitBlocked, err}
	case status == exitUnknown: // it has said why
		return notPlayed{e.Name, exitStatus(exitBlocked)}
	}
	return exitStatus(status)
}

// notPlayed tells why an experiment could not even begin.
type notPlayed struct {
	name string
	err  error
}

func (n notPlayed) Error() string { return fmt.Sprintf("%s can't be played here: %v", n.name, n.err) }

func (n notPlayed) Unwrap() error { return n.err }

// interrupted tells that the end was asked for.
func interrupted() error {
	return &failure{exitBlocked, errors.New("ended before the experiment was over; its processes and files are gone")}
}

// labLook is what "portdoc why" answers about a target.
func labLook(noProbe bool) func(context.Context, string) (*diagnose.Report, error) {
	return func(ctx context.Context, target string) (*diagnose.Report, error) {
		reports, err := explain(ctx, nil, &whyOptions{words: []string{target}, noProbe: noProbe})
		if err != nil {
			return nil, err
		}
		return reports[0], nil
	}
}

// playJSON plays without saying anything, and writes the result as one object.
func playJSON(ctx context.Context, c *console, e *lab.Experiment, o lab.Options) error {
	result, err := lab.Play(ctx, e, o)
	if err != nil {
		return interrupted()
	}
	if err := writeJSON(c.out, result, c.terminal); err != nil {
		return err
	}
	return statusOfResult(result)
}

func statusOfResult(result *lab.Result) error {
	if result.OK {
		return nil
	}
	return exitStatus(exitBlocked)
}

// playAll plays each experiment that can be played here. One that is left out
// is no failure.
func playAll(ctx context.Context, c *console, o *labOptions) error {
	var otherwise, leftOut []string
	all := lab.All()
	for i, e := range all {
		if i > 0 && !o.json {
			fmt.Fprintln(c.out)
		}
		err := play(ctx, c, o, e)
		absent := notPlayed{}
		switch {
		case ctx.Err() != nil:
			return err
		case errors.As(err, &absent):
			leftOut = append(leftOut, e.Name)
			if told := exitStatus(0); !errors.As(err, &told) {
				c.complain(err)
			}
		case statusOf(err) != exitFree:
			otherwise = append(otherwise, e.Name)
		}
	}
	if !o.json {
		fmt.Fprintf(c.out, "\n%d experiments: %d as they should be", len(all), len(all)-len(otherwise)-len(leftOut))
		tally(c, "left out", leftOut)
		tally(c, "otherwise", otherwise)
		fmt.Fprintln(c.out)
	}
	if len(otherwise) > 0 {
		return exitStatus(exitBlocked)
	}
	return nil
}

func tally(c *console, word string, names []string) {
	if len(names) > 0 {
		fmt.Fprintf(c.out, ", %d %s (%s)", len(names), word, strings.Join(names, ", "))
	}
}

// listLab writes a line for each experiment.
func listLab(c *console, o *labOptions) error {
	if o.json || o.keep {
		return usageError(errors.New("which experiment"), "portdoc lab time-wait")
	}
	p := &page{layout: layout{width: c.width, color: c.color}}
	var missing []*lab.Experiment
	names, shows := column{title: "EXPERIMENT", head: true}, column{title: "SHOWS", least: 30}
	for _, e := range lab.All() {
		if e.Missing() != "" {
			missing = append(missing, e)
			continue
		}
		names.cells = append(names.cells, e.Name)
		shows.cells = append(shows.cells, e.Shows)
	}
	p.paragraph("", "portdoc lab NAME plays an experiment, portdoc lab all plays them all.")
	p.table([]column{names, shows})
	if len(missing) > 0 {
		p.line("")
		p.paragraph("", "Not on this system, since each "+strings.TrimPrefix(missing[0].Missing(), "it ")+":")
		var absent []string
		for _, e := range missing {
			absent = append(absent, e.Name)
		}
		p.paragraph(indent, strings.Join(absent, ", ")+".")
	}
	_, err := c.out.Write([]byte(p.String()))
	return err
}
