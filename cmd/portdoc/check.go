package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"portdoc/diagnose"
	"portdoc/netstate"
)

const checkHelp = `Say in one line for each target whether it can be bound: a preflight for CI and
scripts. All targets are answered from one look at the system, so a thousand
ports cost little more than one.

With --wait it returns as soon as every target is free, and says on standard
error what it waits for. With --until open a listener is waited for instead: it
is looked up in the system's tables, and only --connect connects to it.`

const checkExamples = `  portdoc check 8080 5432 6379       can these be bound?
  portdoc check 8000-8010 53/udp     a range, another network
  portdoc check 5188 --wait 60s      until it is free, 60 seconds at most
  portdoc check 5432 --until open --wait 30s  until something listens
  portdoc check --from compose.yaml  what the file publishes; also a .env, a
                                     Procfile, or a list of targets
  portdoc check 8080 --format junit  also json, github and tap`

const checkExitHelp = `  0  every target is free (with --until open: open)
  1  one is blocked or conditional (with --until open: closed)
  2  wrong usage, or the answer could not be written
  3  unknown: it can't be told from here`

// checkOptions are the flags and arguments of check.
type checkOptions struct {
	words    []string
	from     []string
	snapshot string
	format   string
	until    string
	json     bool
	noProbe  bool
	connect  bool
	wait     time.Duration
	question diagnose.Question
}

func newCheck(c *console) *cobra.Command {
	var o checkOptions
	command := &cobra.Command{
		Use:         "check TARGET...",
		Short:       "Say in one line each whether targets are free, or wait for it",
		Long:        checkHelp,
		Example:     checkExamples,
		Annotations: map[string]string{exitAnnotation: checkExitHelp},
		Args:        cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, words []string) error {
			o.words = words
			return runCheck(command.Context(), c, &o)
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.DurationVar(&o.wait, "wait", 0, "wait until all targets are free, for `DURATION` at most, as 30s or 5m")
	flags.StringVar(&o.until, "until", untilFree, "what is wanted: \"free\", or \"open\" for something that listens")
	flags.BoolVar(&o.connect, "connect", false, "with --until open, connect instead of looking")
	flags.StringArrayVar(&o.from, "from", nil, "take targets from `FILE` (\"-\" for a list on standard input)")
	flags.StringVar(&o.format, "format", "text", "write \"text\", \"json\", \"github\", \"junit\" or \"tap\"")
	flags.BoolVar(&o.json, "json", false, "the same as --format json")
	flags.BoolVar(&o.noProbe, "no-probe", false, "try no bind, only look")
	flags.BoolVar(&o.question.ReuseAddr, "reuseaddr", false, "the program that will bind sets SO_REUSEADDR")
	flags.BoolVar(&o.question.ReusePort, "reuseport", false, "it sets SO_REUSEPORT")
	flags.BoolVar(&o.question.V6Only, "v6only", false, "it sets IPV6_V6ONLY")
	flags.StringVar(&o.snapshot, "snapshot", "", "answer from the snapshot in `FILE` (\"-\" for standard input)")
	return command
}

// runCheck answers, or waits and answers then. The lines are about the last
// look at the system.
func runCheck(ctx context.Context, c *console, o *checkOptions) error {
	begun := time.Now()
	// A thousand reports are a few megabytes: collecting garbage meanwhile
	// would take longer than all else.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	write, err := o.writer()
	if err != nil {
		return err
	}
	k, err := newCheckup(ctx, c, o)
	if err != nil {
		return err
	}
	results, err := k.look(ctx)
	if err == nil && o.wait > 0 {
		results, err = k.wait(ctx, results, begun.Add(o.wait))
	}
	if err != nil {
		return err
	}
	if err := write(c, results, time.Since(begun)); err != nil {
		return err
	}
	status := exitFree
	for _, r := range results {
		status = max(status, r.status)
	}
	return exitStatus(status)
}

// checkup is what one run of check looks at, again and again if it waits.
type checkup struct {
	*console
	*checkOptions
	*targetList
	// snapshot is the one that was named, nil for this machine.
	snapshot *netstate.Snapshot
	// clear is the report of all targets that are free and no more.
	clear *diagnose.Report
}

// checked is one target with its answer.
type checked struct {
	checkTarget
	report *diagnose.Report
	// verdict is the answer in one word, reason what is behind it: "" for a
	// free target.
	verdict, reason string
	// status is the exit status that the answer stands for.
	status int
	// open tells whether something listens, nil where that was not asked.
	open *bool
	// warnings are of what goes wrong later, without the target's name.
	warnings []string
}

// newCheckup reads the command line and the files that it names.
func newCheckup(ctx context.Context, c *console, o *checkOptions) (*checkup, error) {
	k := &checkup{console: c, checkOptions: o, clear: &diagnose.Report{Verdict: diagnose.Free}}
	if err := o.contradiction(); err != nil {
		return nil, err
	}
	words := o.words
	if o.snapshot != "" {
		var err error
		if k.snapshot, err = readSnapshot(c.in, o.snapshot); err != nil {
			return nil, err
		}
		if len(words) == 0 && len(o.from) == 0 {
			words = captured(k.snapshot)
		}
	}
	var err error
	if k.targetList, err = checkTargets(ctx, c, words, o.from); err != nil {
		return nil, err
	}
	if err := k.connectable(); err != nil || k.snapshot == nil {
		return k, err
	}
	return k, covers(k.snapshot, k.subjects, o.snapshot)
}

// look answers once.
func (k *checkup) look(ctx context.Context) ([]checked, error) {
	ask := func(s *netstate.Snapshot) []diagnose.Question { return questions(k.subjects, k.question, s) }
	s := k.snapshot
	var reports []*diagnose.Report
	if s != nil {
		if k.noProbe {
			s.Observed = nil
		}
		reports = answer(s, ask(s), k.why)
	} else {
		// Who waits for a listener must not be in its way.
		look := observation{query: k.query, ask: ask, why: k.why, probe: !k.noProbe && k.until == untilFree}
		var err error
		if s, reports, err = look.observe(ctx); err != nil {
			return nil, err
		}
	}
	if k.until == untilOpen {
		return k.opened(ctx, s, reports), nil
	}
	return k.freed(s, reports), nil
}

// why answers one question. Of a target that is free a line says nothing else.
func (k *checkup) why(part *netstate.Snapshot, q diagnose.Question) *diagnose.Report {
	if k.format == formatText && !k.json && diagnose.Clear(part, q) {
		return k.clear
	}
	return diagnose.Why(part, q)
}

// freed are the answers to whether the targets are free.
func (k *checkup) freed(s *netstate.Snapshot, reports []*diagnose.Report) []checked {
	results := make([]checked, len(reports))
	for i, report := range reports {
		results[i] = checked{
			checkTarget: k.at(i),
			report:      report,
			verdict:     string(report.Verdict),
			reason:      reasonOf(report, &k.subjects[i]),
			status:      statusOfVerdict(report.Verdict),
			warnings:    report.Warnings,
		}
	}
	warnOfLater(results, s, k.question.ReusePort)
	return results
}

// connectable is an error where --connect can tell nothing.
func (k *checkup) connectable() error {
	for _, t := range k.subjects {
		if k.connect && t.network == netstate.UDP {
			return usageError(fmt.Errorf("%s has no connections: leave --connect out", t.label()), "portdoc check 53/udp --until open")
		}
		if k.until == untilOpen && t.network != netstate.Unix && t.port == 0 {
			return usageError(errors.New("nothing can listen on port 0: name the port"), "portdoc check 5432 --until open")
		}
	}
	return nil
}

// contradiction is an error of flags that exclude each other.
func (o *checkOptions) contradiction() error {
	example := "portdoc check 5432 --until open --wait 30s"
	switch {
	case o.until != untilFree && o.until != untilOpen:
		return usageError(fmt.Errorf("%s is nothing to wait for: free, or open", quote(o.until)), example)
	case o.connect && o.until != untilOpen:
		return usageError(errors.New("--connect goes with --until open"), example+" --connect")
	case o.wait < 0:
		return usageError(fmt.Errorf("--wait %v is no time to wait", o.wait), "portdoc check 5188 --wait 30s")
	case o.snapshot != "" && (o.wait > 0 || o.connect):
		return usageError(errors.New("a snapshot does not change: --snapshot goes without --wait and --connect"),
			"portdoc check 5188 --snapshot FILE")
	}
	return nil
}
