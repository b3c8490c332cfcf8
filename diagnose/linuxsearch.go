package diagnose

import (
	"strings"

	"portdoc/netstate"
)

// search is what the sockets of one port say to a newcomer.
type search struct {
	// conflicts are certain; undecided lack a fact.
	conflicts, undecided []int
	// rivals are the conflicts by what matters to the order in which the
	// sockets were bound, helpers those sockets that may make the kernel
	// overlook a conflict.
	rivals, helpers map[orderKey]bool
}

// search compares n with every socket of the port.
func (n *linuxSocket) search(s *netstate.Snapshot, port uint16) search {
	var found search
	for i := range s.Sockets {
		e := &s.Sockets[i]
		if e.Local.Port() == port && n.competes(e) && i != n.self {
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

// competes tells whether e takes part in n's search. A connection request
// (SYN_RECV) has no port of its own.
func (n *linuxSocket) competes(e *netstate.Socket) bool {
	return e.Network == n.network && e.State != netstate.StateSynRecv
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
		return Prediction{Bind: ResultUnknown, Undecided: found.undecided, Missing: n.missing(s, found.undecided)}
	}
	return n.success(s, port)
}

// missingOrder is what decides when one socket forbids the bind, and another
// that may have been bound later, or earlier, makes the kernel overlook it.
const missingOrder = "the order in which the port's SO_REUSEPORT sockets were bound"

// success is the prediction for a port that n gets, 0 for one that no other
// socket has.
func (n *linuxSocket) success(s *netstate.Snapshot, port uint16) Prediction {
	p := Prediction{Bind: ResultOK}
	if n.network == netstate.TCP {
		p.Listen = ResultOK
	}
	if port != 0 {
		p.Shares = coBound(s, n.network, port, n.meets)
	}
	return p
}

// missing names the facts that would decide whether the sockets conflict.
func (n *linuxSocket) missing(s *netstate.Snapshot, undecided []int) string {
	var facts []string
	seen := map[string]bool{}
	for _, i := range undecided {
		for _, fact := range n.missingFacts(&s.Sockets[i]) {
			if !seen[fact] {
				seen[fact] = true
				facts = append(facts, fact)
			}
		}
	}
	return strings.Join(facts, ", ")
}

// missingFacts are the unknown facts about e that n's answer depends on.
func (n *linuxSocket) missingFacts(e *netstate.Socket) []string {
	var facts []string
	subject := describe(e)
	for _, option := range unknownOptions(e) {
		on, off := *e, *e
		option.set(&on.Options, true)
		option.set(&off.Options, false)
		if n.conflict(&on) != n.conflict(&off) {
			facts = append(facts, option.name+" of "+subject)
		}
	}
	if !isTimeWait(e) && sameUser(n.uid, e.UID) == unsure && n.reusePort {
		facts = append(facts, "whether "+subject+" is of the same user")
	}
	return facts
}
