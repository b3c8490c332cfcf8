package diagnose

import "portdoc/netstate"

// Clear tells whether [Why] would say that the address is free and name no
// socket: none is on the port, and each bind that the question means was tried
// and succeeded, or is a part of one that did. It works out nothing else, for
// those who ask about a thousand ports.
func Clear(s *netstate.Snapshot, q Question) bool {
	c := newInquiry(s, q)
	if q.Network == netstate.Unix || len(c.rows) > 0 {
		return false
	}
	for _, address := range c.addresses() {
		c.attempts = append(c.attempts, c.observed(c.request(address, c.asked())))
	}
	c.markIncluded()
	return c.wasTried(c.asked()) && c.outcome(c.asked()) == ResultOK
}
