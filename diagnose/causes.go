package diagnose

import (
	"slices"
	"time"
)

// Kind is a kind of cause.
type Kind struct {
	ID CauseID
	// Title is its name in a few words.
	Title string
	// About says what it is, for somebody who has never heard of it.
	About string
	// find recognises it. A finding's id is filled in afterwards.
	find func(*inquiry) []finding
}

// Kinds returns every kind of cause. Those that a person acts on first come
// first, and so do they in a report: what forbids the bind whoever has the
// port, holders that can't let go, those that must be asked elsewhere, other
// holders, why the holder is in the way at all, and what goes away by itself.
func Kinds() []Kind {
	return []Kind{
		privilegedPort, excludedRange, addressNotLocal, familyUnavailable, ephemeralExhausted,
		stopped, frozen, traced,
		systemServiceKind, containerProxy, forwarding, socketActivation,
		supervised, inherited, listener, bound,
		connection, closeWait, outgoing, selfConnect,
		kernel, noProcess, hiddenOwner,
		unixListener, staleSocketFile, pathExists, pathUnusable,
		dualStack, wildcardOverlap, exclusive, reusePortMismatch,
		finWait, lastAck, closing, timeWait,
	}
}

// finding is a cause that was recognised, with what follows from it.
type finding struct {
	id     CauseID
	title  string
	detail string
	// summary is the whole report in one sentence, where this is the cause
	// to act on first.
	summary   string
	rows      []int
	pids      []int
	clears    time.Duration
	certainty Certainty
	remedies  []Remedy
}

// cause is the report's form of it; ids are those of its rows in the report.
func (f finding) cause(ids []int) Cause {
	cause := Cause{
		ID:        f.id,
		Title:     f.title,
		Detail:    f.detail,
		Sockets:   []int{},
		PIDs:      []int{},
		Certainty: f.certainty,
	}
	for _, i := range f.rows {
		cause.Sockets = append(cause.Sockets, ids[i])
	}
	slices.Sort(cause.Sockets)
	cause.Sockets = slices.Compact(cause.Sockets)
	cause.PIDs = append(cause.PIDs, f.pids...)
	if f.clears > 0 {
		seconds := f.clears.Seconds()
		cause.ClearsInSeconds = &seconds
	}
	if f.certainty == "" {
		cause.Certainty = Certain
	}
	return cause
}

// blocking are the rows that block and that pick wants.
func (c *inquiry) blocking(pick func(row) bool) []int {
	var rows []int
	for i, r := range c.rows {
		if r.blocks && pick(r) {
			rows = append(rows, i)
		}
	}
	return rows
}
