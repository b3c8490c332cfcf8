package diagnose

import "portdoc/netstate"

// search is what the sockets of one port say to a newcomer.
type search struct {
	// conflicts are certain; undecided lack a fact.
	conflicts, undecided []int
	// rivals are the conflicts by what matters to the order in which the
	// sockets were bound, helpers those sockets that may make the kernel
	// overlook a conflict.
	rivals, helpers []orderKey
}

// search compares n with every socket of the port.
func (n *linuxSocket) search(s *netstate.Snapshot, port uint16) search {
	var found search
	for i := range s.Sockets {
		e := &s.Sockets[i]
		if e.Local.Port() == port && holdsPort(e, n.network) && i != n.self {
			conflict := n.conflict(e)
			found.add(i, conflict)
			found.addOrder(n, e, conflict)
		}
	}
	return found
}

func (f *search) add(socket int, conflict truth) {
	switch conflict {
	case yes:
		f.conflicts = append(f.conflicts, socket)
	case unsure:
		f.undecided = append(f.undecided, socket)
	}
}

// prediction searches, and turns what it finds into an answer. When the same socket starts to
// listen, the search is made again (inet_csk_listen_start in
// net/ipv4/inet_connection_sock.c) and finds the same.
func (n *linuxSocket) prediction(s *netstate.Snapshot, port uint16) Prediction {
	found := n.search(s, port)
	switch {
	case len(found.conflicts) > 0 && !found.orderDecides(n):
		return Prediction{Bind: "EADDRINUSE", Culprits: found.conflicts, Undecided: found.undecided}
	case len(found.conflicts) > 0:
		undecided := append(found.conflicts, found.undecided...)
		return Prediction{Bind: ResultUnknown, Undecided: undecided, Missing: missingOrder}
	case len(found.undecided) > 0:
		return Prediction{Bind: ResultUnknown, Undecided: found.undecided, Missing: missingFacts(s, found.undecided, n.uid, n.conflict)}
	}
	return n.listened(Prediction{Bind: ResultOK, Shares: coBound(s, n.network, port, n.meets)})
}

// missingOrder is what decides when one socket forbids the bind, and another
// that may have been bound later, or earlier, makes the kernel overlook it.
const missingOrder = "the order in which the port's SO_REUSEPORT sockets were bound"
