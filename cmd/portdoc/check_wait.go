package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"portdoc/diagnose"
)

const (
	// pollInterval is the time between two looks where nothing tells when
	// the next one is worth it.
	pollInterval = 200 * time.Millisecond
	// processInterval is the same while a process is waited for: it may close
	// its socket and go on.
	processInterval = time.Second
	// maxPIDs bounds the descriptors that waiting for processes takes.
	maxPIDs = 64
)

// pause is how to sleep before the next look: until the time is over, or one
// of the processes has ended.
type pause struct {
	length time.Duration
	pids   []int
	// least is how long the last look took: no more than half of the time
	// goes into looking.
	least time.Duration
}

// wait looks again until all targets are as they are wanted, or the deadline
// is over. It says why it waits, once for each reason.
func (k *checkup) wait(ctx context.Context, results []checked, deadline time.Time) ([]checked, error) {
	told, took := "", time.Duration(0)
	for {
		pending := slices.DeleteFunc(slices.Clone(results), func(r checked) bool { return r.status == exitFree })
		if len(pending) == 0 {
			return results, nil
		}
		if why := identityOf(pending[0]); why != told {
			told = why
			k.tell(fmt.Sprintf("waiting, %v at most: %s", k.checkOptions.wait, describePending(pending)))
		}
		if time.Until(deadline) <= 0 {
			k.tell(fmt.Sprintf("gave up after %v: %s", k.checkOptions.wait, describePending(pending)))
			return results, nil
		}
		next := k.nextLook(pending)
		next.least = took
		next.length = min(max(next.length, took), time.Until(deadline))
		if err := next.sleep(ctx); err != nil {
			return nil, err
		}
		var err error
		began := time.Now()
		if results, err = k.look(ctx); err != nil {
			return nil, err
		}
		took = time.Since(began)
	}
}

// tell writes a line about waiting to standard error.
func (k *checkup) tell(line string) {
	fmt.Fprintln(k.errors, diagnose.Printable(line))
}

// describePending names the first target that is waited for, and why.
func describePending(pending []checked) string {
	text := fmt.Sprintf("%s is %s", pending[0].label(), pending[0].verdict)
	if behind := pending[0].behind(); behind != "" {
		text += ": " + behind
	}
	if more := len(pending) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// identityOf is what a reason to wait is known by. It stays the same while a
// countdown runs.
func identityOf(r checked) string {
	words := []string{r.label(), r.verdict}
	for _, cause := range r.report.Causes {
		words = append(words, string(cause.ID), fmt.Sprint(cause.PIDs))
	}
	return strings.Join(words, " ")
}

// nextLook is how to sleep until something may have changed.
func (k *checkup) nextLook(pending []checked) pause {
	if k.until == untilOpen {
		return pause{length: pollInterval}
	}
	reports := make([]*diagnose.Report, len(pending))
	for i, r := range pending {
		reports[i] = r.report
	}
	return pauseFor(reports)
}

// pauseFor is how to sleep until one of the reports may have changed.
func pauseFor(reports []*diagnose.Report) pause {
	p := pause{length: time.Hour}
	for _, report := range reports {
		left, ends := countdown(report)
		switch holders := blockingPIDs(report); {
		case ends && left > 0:
			p.length = min(p.length, left)
		case len(holders) > 0:
			p.length = min(p.length, processInterval)
			p.pids = append(p.pids, holders...)
		default:
			p.length = min(p.length, pollInterval)
		}
	}
	slices.Sort(p.pids)
	p.pids = slices.Compact(p.pids)
	p.pids = p.pids[:min(len(p.pids), maxPIDs)]
	return p
}

// blockingPIDs are the processes that have a socket because of which the bind
// fails.
func blockingPIDs(report *diagnose.Report) []int {
	var pids []int
	for _, socket := range report.Sockets {
		if socket.Blocks {
			pids = append(pids, socket.PIDs...)
		}
	}
	return pids
}

// sleepFor sleeps for a time, or until the context ends.
func sleepFor(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
