package main

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// portKey is one port of one network.
type portKey struct {
	network netstate.Network
	port    uint16
}

func (k portKey) compare(other portKey) int {
	return cmp.Or(cmp.Compare(k.port, other.port), cmp.Compare(k.network, other.network))
}

func socketKey(s netstate.Socket) portKey { return portKey{s.Network, s.Local.Port()} }

func outcomeKey(o netstate.BindOutcome) portKey { return portKey{o.Request.Network, o.Request.Port} }

func questionKey(q diagnose.Question) portKey { return portKey{q.Network, q.Port} }

// panel is all questions that one snapshot answers. It has the sockets and the
// outcomes of binds in the order of their ports, so that a thousand questions
// about a port each do not look a thousand times at those of all of them.
type panel struct {
	snapshot *netstate.Snapshot
	asked    []diagnose.Question
	sockets  []netstate.Socket
	observed []netstate.BindOutcome
	// groups are the numbers of the questions, those about one port together:
	// their binds would be in each other's way.
	groups [][]int
}

func newPanel(s *netstate.Snapshot, asked []diagnose.Question) *panel {
	return &panel{s, asked, ordered(s.Sockets, socketKey), ordered(s.Observed, outcomeKey), grouped(asked)}
}

// grouped are the numbers of the questions about each port.
func grouped(asked []diagnose.Question) [][]int {
	key := func(i int) portKey { return questionKey(asked[i]) }
	numbers := make([]int, len(asked))
	for i := range numbers {
		numbers[i] = i
	}
	numbers = ordered(numbers, key)
	groups := make([][]int, 0, len(asked))
	for first := 0; first < len(numbers); {
		last := first + 1
		for last < len(numbers) && key(numbers[last]) == key(numbers[first]) {
			last++
		}
		groups = append(groups, numbers[first:last])
		first = last
	}
	return groups
}

// ordered returns the rows in the order of their ports. Those of one port stay
// in the order they have.
func ordered[T any](rows []T, key func(T) portKey) []T {
	byKey := func(a, b T) int { return key(a).compare(key(b)) }
	if slices.IsSortedFunc(rows, byKey) {
		return rows
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, byKey)
	return rows
}

// worker goes through some of the groups.
type worker struct {
	panel *panel
	// group is the one at hand, and part what answers its questions.
	group []int
	part  netstate.Snapshot
	// prober makes the binds in requests, and observed are their outcomes, for
	// the group at hand; kept are those of all groups, if they are wanted.
	prober         netstate.Prober
	requests       []netstate.BindRequest
	observed, kept []netstate.BindOutcome
}

// many is the number of questions, of some ten microseconds each, from which
// more effort pays than for a few.
const many = 128

// block is the number of groups that a worker takes at a time: few enough that
// all end together, and enough that two do not write side by side.
const block = 16

// each visits each group, many of them on all processors, and returns the
// workers that did.
func (p *panel) each(visit func(*worker)) []*worker {
	workers := make([]*worker, min(runtime.GOMAXPROCS(0), 1+len(p.groups)/many))
	var next atomic.Int64
	var wait sync.WaitGroup
	for i := range workers {
		w := &worker{panel: p}
		workers[i] = w
		if i < len(workers)-1 {
			wait.Go(func() { w.work(&next, visit) })
		} else {
			w.work(&next, visit)
		}
	}
	wait.Wait()
	return workers
}

// work visits blocks of groups until none is left.
func (w *worker) work(next *atomic.Int64, visit func(*worker)) {
	groups := w.panel.groups
	for {
		last := int(next.Add(block))
		if last-block >= len(groups) {
			return
		}
		for _, group := range groups[last-block : min(last, len(groups))] {
			w.take(group)
			visit(w)
		}
	}
}

// take makes a group the one at hand. All of the snapshot answers questions
// that are not about one port.
func (w *worker) take(group []int) {
	w.group, w.part = group, *w.panel.snapshot
	if key := questionKey(w.panel.asked[group[0]]); key.port != 0 {
		w.part.Sockets = having(w.panel.sockets, key, socketKey)
		w.part.Observed = having(w.panel.observed, key, outcomeKey)
	}
}

// having are the ordered rows with one key.
func having[T any](rows []T, wanted portKey, key func(T) portKey) []T {
	first, _ := slices.BinarySearchFunc(rows, wanted, func(row T, k portKey) int { return key(row).compare(k) })
	last := first
	for last < len(rows) && key(rows[last]) == wanted {
		last++
	}
	return rows[first:last:last]
}
