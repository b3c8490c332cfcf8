package netstate

import (
	"cmp"
	"slices"
)

// portSet is a set of ports: ranges in ascending order that neither overlap
// nor touch.
type portSet []PortRange

// newPortSet merges ranges, which may come in any order and overlap.
func newPortSet(ranges []PortRange) portSet {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b PortRange) int { return cmp.Compare(a.First, b.First) })
	var set portSet
	for _, r := range sorted {
		if last := len(set) - 1; last >= 0 && int(r.First) <= int(set[last].Last)+1 {
			set[last].Last = max(set[last].Last, r.Last)
			continue
		}
		set = append(set, r)
	}
	return set
}

// contains tells whether port is in one of the ranges.
func (s portSet) contains(port uint16) bool {
	_, found := slices.BinarySearchFunc(s, port, func(r PortRange, port uint16) int {
		switch {
		case r.Last < port:
			return -1
		case r.First > port:
			return 1
		}
		return 0
	})
	return found
}

// portQuery is what a query asks about the ports of one network.
type portQuery struct {
	network Network
	ports   portSet
	// ephemeral asks for the use of the ephemeral range.
	ephemeral bool
}

// portQueries splits a query by network; networks that it does not name are
// left out, and so are unix sockets.
func portQueries(query Query) []portQuery {
	var queries []portQuery
	for _, network := range []Network{TCP, UDP} {
		q := portQuery{network: network}
		var ranges []PortRange
		for _, e := range query.Endpoints {
			switch {
			case e.Network != network:
			case e.Port == 0:
				q.ephemeral = true
			default:
				ranges = append(ranges, PortRange{First: e.Port, Last: max(e.Port, e.LastPort)})
			}
		}
		if q.ports = newPortSet(ranges); len(q.ports) > 0 || q.ephemeral {
			queries = append(queries, q)
		}
	}
	return queries
}
