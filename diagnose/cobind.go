package diagnose

import "portdoc/netstate"

// coBound are the sockets that a bind which succeeds would share traffic with,
// or take it from: those that overlap with the new one and get what nobody
// else is connected to receive.
func coBound(s *netstate.Snapshot, network netstate.Network, port uint16, overlaps func(*netstate.Socket) truth) []int {
	var shares []int
	for i := range s.Sockets {
		e := &s.Sockets[i]
		if e.Local.Port() == port && e.Network == network && takesNewcomers(e) && overlaps(e) == yes {
			shares = append(shares, i)
		}
	}
	return shares
}

// takesNewcomers tells whether a socket gets connections or datagrams from
// anyone.
func takesNewcomers(e *netstate.Socket) bool {
	return e.State == netstate.StateListen || e.State == netstate.StateUnconnected
}
