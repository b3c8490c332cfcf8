package main

import (
	"cmp"
	"slices"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// portKey is one port of one network.
type portKey struct {
	network netstate.Network
	port    uint16
}

func keyOf(r netstate.BindRequest) portKey { return portKey{r.Network, r.Port} }

func (k portKey) compare(other portKey) int {
	return cmp.Or(cmp.Compare(k.port, other.port), cmp.Compare(k.network, other.network))
}

// byPort has the sockets of a snapshot and the outcomes of binds in the order
// of their ports, so that a thousand questions about a port each do not look a
// thousand times at those of all of them.
type byPort struct {
	whole    *netstate.Snapshot
	sockets  []netstate.Socket
	observed []netstate.BindOutcome
}

func socketKey(s netstate.Socket) portKey { return portKey{s.Network, s.Local.Port()} }

func outcomeKey(o netstate.BindOutcome) portKey { return keyOf(o.Request) }

func splitByPort(s *netstate.Snapshot) byPort {
	return byPort{s, ordered(s.Sockets, socketKey), ordered(s.Observed, outcomeKey)}
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

// about is the part of the snapshot that answers a question: all of it for one
// that is not about one port. It is made in room.
func (b byPort) about(q diagnose.Question, room *netstate.Snapshot) *netstate.Snapshot {
	if q.Network == netstate.Unix || q.Port == 0 {
		return b.whole
	}
	*room = *b.whole
	wanted := portKey{q.Network, q.Port}
	room.Sockets = having(b.sockets, wanted, socketKey)
	room.Observed = having(b.observed, wanted, outcomeKey)
	return room
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
