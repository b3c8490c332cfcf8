package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"portdoc/cmd/portdoc/internal/job"
	"portdoc/cmd/portdoc/internal/trace"
)

const runHelp = `Run a command and explain each bind that fails, at the moment it fails.

The command has its own terminal, signals, exit status and output; reports go
to standard error. On Linux its bind, listen and connect calls are watched as
they are made, in everything that it starts. A connect is explained if it finds
no source port; it takes some 40 microseconds longer. Watching keeps programs
from gaining privileges when they start (set-user-ID, file capabilities), unless
root runs them: for such a command, and with --text-only, the error messages are
read instead, as they are on other systems.`

const runExamples = `  portdoc run -- ./server --port 8080        explain why it can't start
  portdoc run -- npm start                   also what it starts
  portdoc run --on-fail wait -- ./server     start it as soon as it can`

const runExitHelp = `  that of the command; 128 and the signal's number if a signal ended it
  2    wrong usage
  126  the command can't be executed
  127  the command was not found`

// What to do when the command ended because of a bind that failed.
const (
	onFailReport = "report"
	onFailWait   = "wait"
)

// finishLimit is how long a report that is not ready holds up the end.
const finishLimit = 3 * time.Second

// runOptions are the flags and arguments of run.
type runOptions struct {
	words    []string
	onFail   string
	textOnly bool
	verbose  bool
}

func newRun(c *console) *cobra.Command {
	var o runOptions
	command := &cobra.Command{
		Use:         "run [flags] -- COMMAND [ARG...]",
		Short:       "Run a command and explain each bind that fails",
		Long:        runHelp,
		Example:     runExamples,
		Annotations: map[string]string{exitAnnotation: runExitHelp},
		Args:        cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, words []string) error {
			o.words = words
			return runRun(command.Context(), c, &o)
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.SetInterspersed(false) // what follows the command's name is its own
	flags.StringVar(&o.onFail, "on-fail", onFailReport, "`ACTION` when its bind failed: report, or wait until the\naddress is free and start it again")
	flags.BoolVar(&o.textOnly, "text-only", false, "watch no calls, only read the error messages")
	flags.BoolVar(&o.verbose, "verbose", false, "say how the command is watched")
	return command
}

// newCompanion is not for people: see [job.Accompany].
func newCompanion(*console) *cobra.Command {
	return &cobra.Command{
		Use:                job.CompanionCommand,
		Hidden:             true,
		DisableFlagParsing: true,
		Run:                func(_ *cobra.Command, words []string) { job.Accompany(words, trace.Guard) },
	}
}

// runRun runs the command, again and again if it is to wait for its address.
func runRun(ctx context.Context, c *console, o *runOptions) error {
	const example = "portdoc run -- ./server --port 8080"
	if len(o.words) == 0 {
		return usageError(errors.New("run needs a command"), example)
	}
	if o.onFail != onFailReport && o.onFail != onFailWait {
		return usageError(fmt.Errorf("%s is no value of --on-fail: write report or wait", quote(o.onFail)), "portdoc run --on-fail wait -- ./server")
	}
	c.out.err = nil // standard output is the command's, be it closed
	command, err := job.Find(o.words)
	if err != nil {
		return startFailure(err)
	}
	r := newRunReporter(ctx, c)
	w := newWatching(r, o, command.Path)
	for {
		status, interrupted, err := w.run(command)
		if err != nil {
			return startFailure(err)
		}
		r.tellRepeats()
		if o.onFail == onFailReport || status == (job.Status{}) || interrupted || !r.waitUntilFree() {
			job.DieOf(status.Signal)
			return exitStatus(status.Exit())
		}
	}
}

// startFailure gives the error the exit status that a shell has for it.
func startFailure(err error) error {
	var failed *job.StartError
	if errors.As(err, &failed) {
		return &failure{failed.Status, fmt.Errorf("%s: %w", quote(failed.Name), failed.Err)}
	}
	return err
}

// watching is the way in which a command is watched: by its calls, or by what
// it writes to standard error.
type watching struct {
	reporter  *runReporter
	tracer    *trace.Tracer // nil where the text is read
	companion *job.Companion
}

// newWatching chooses the way, and says so if it is not the one to expect.
func newWatching(r *runReporter, o *runOptions, path string) *watching {
	w := &watching{reporter: r}
	why := error(nil)
	switch privileges := gainsPrivileges(path); {
	case o.textOnly:
		why = errors.New("--text-only")
	case privileges != "":
		why = fmt.Errorf("%s, and watching its calls would prevent that", privileges)
		r.say(fmt.Sprintf("only error messages are read: %s", why))
	default:
		w.tracer, why = trace.New(r.handler(o.verbose))
	}
	if o.verbose && w.tracer == nil {
		r.say(fmt.Sprintf("reading error messages (%s)", why))
	} else if o.verbose {
		r.say("watching bind, listen and connect calls")
	}
	var files []*os.File
	if w.tracer != nil {
		files = w.tracer.Files()
	}
	w.companion = job.NewCompanion(files)
	return w
}

// run runs the command once.
func (w *watching) run(command job.Command) (status job.Status, interrupted bool, err error) {
	if w.tracer == nil {
		return w.runReading(command)
	}
	j, err := job.Start(command, w.tracer.Start, w.companion)
	if err != nil {
		return status, false, err
	}
	status = j.Wait()
	w.tracer.Finish(finishLimit)
	return status, j.Interrupted(), nil
}

// runReading runs the command once, and reads its standard error.
func (w *watching) runReading(command job.Command) (status job.Status, interrupted bool, err error) {
	stderr, err := job.NewStderr()
	if err != nil {
		return status, false, err
	}
	command.Stderr = stderr.Command
	j, err := job.Start(command, func(fork func() error) error { return fork() }, w.companion)
	stderr.Command.Close()
	if err != nil {
		return status, false, err
	}
	text := newTextReader(w.reporter)
	go func() { stderr.Pass(os.Stderr, text.add); text.end() }()
	status = j.Wait()
	text.finish()
	return status, j.Interrupted(), nil
}
