package diagnose

import (
	"net/netip"

	"portdoc/netstate"
)

// Clear tells whether [Why] would say that the address is free and name no
// socket: none is on the port, and each bind that the question means was tried
// and succeeded, or is a part of one that did. It works out nothing else, for
// those who ask about a thousand ports.
func Clear(s *netstate.Snapshot, q Question) bool {
	var c inquiry
	c.begin(s, q)
	if q.Network == netstate.Unix || len(c.rows) > 0 {
		return false
	}
	addresses := c.addresses()
	whole := false
	// [::] is the last of the wildcards.
	for i := len(addresses) - 1; i >= 0; i-- {
		request := c.request(addresses[i], c.asked())
		switch outcome := c.outcomeOf(request); {
		case outcome == ResultOK:
			whole = whole || isWhole(s, request)
		case outcome != "" || !whole || request.Address != netip.IPv4Unspecified():
			return false
		}
	}
	return len(addresses) > 0
}
