package diagnose

import (
	"slices"

	"portdoc/netstate"
)

// Clear tells whether [Why] would say that the address is free and have nothing
// to add: no socket is on the port, each bind that the question means was tried,
// and succeeded as the rules foretell. It takes a third of the time.
func Clear(s *netstate.Snapshot, q Question) bool {
	c := newInquiry(s, q)
	if q.Network == netstate.Unix || len(c.rows) > 0 {
		return false
	}
	c.makeAttempts()
	return c.wasTried(c.asked()) && c.outcome(c.asked()) == ResultOK && !slices.ContainsFunc(c.attempts, attempt.surprises)
}
