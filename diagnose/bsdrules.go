package diagnose

import (
	"net/netip"
	"slices"

	"portdoc/netstate"
)

// macOS and FreeBSD have the same ancestor: in_pcblookup_local of 4.4BSD finds
// the one socket of the port that fits the new address best, and only that
// socket is asked whether it lets the new one in. What is asked differs
// (macosrules.go, freebsdrules.go).
//
// Sources: xnu bsd/netinet/in_pcb.c (0f4c859e) and bsd/netinet6/in6_pcb.c
// (1031c584); FreeBSD sys/netinet/in_pcb.c and sys/netinet6/in6_pcb.c of main.
// Nothing here was measured.

// bsdSocket is a socket that binds.
type bsdSocket struct {
	netstate.BindRequest
	address netip.Addr
	uid     *uint32
	// mappedCost is added to the distance of a dual-stack IPv6 socket when
	// an IPv4 address is looked up.
	mappedCost int
}

// bsdTest is one of the questions that a kernel asks of the best match.
type bsdTest struct {
	// address is looked up; it may be the IPv4 wildcard for a dual-stack
	// socket.
	address netip.Addr
	// loose finds every socket that overlaps; otherwise only unconnected
	// ones with the very same address.
	loose bool
	// fails tells whether this best match makes the bind fail.
	fails func(e *netstate.Socket) truth
}

// sharing tells whether the new socket sets an option that makes its lookup
// strict.
func (n *bsdSocket) sharing() bool { return n.ReuseAddr || n.ReusePort || n.ReusePortLB }

// dualWildcard tells whether the new socket claims IPv4 beside IPv6.
func (n *bsdSocket) dualWildcard() bool {
	return n.address == netip.IPv6Unspecified() && !n.V6Only
}

func newBSDSocket(s *netstate.Snapshot, request netstate.BindRequest) bsdSocket {
	return bsdSocket{
		BindRequest: request,
		address:     request.Address.WithZone("").Unmap(),
		uid:         requestUID(s, request),
	}
}

// maximumDistance is above every distance.
const maximumDistance = 6

// distance tells how well e fits an address: 0 is best. It counts a peer, and
// a wildcard on one side only.
func (n *bsdSocket) distance(address netip.Addr, e *netstate.Socket) int {
	distance := 0
	if e.Remote.IsValid() {
		distance++
	}
	if isWildcard(address) != isWildcard(e.Local.Addr()) {
		distance++
	}
	if address.Is4() && e.Family == netstate.IPv6 && !isV4(e.Local.Addr()) {
		distance += n.mappedCost
	}
	return distance
}

// finds tells whether a lookup comes across e.
func (t *bsdTest) finds(e *netstate.Socket) truth {
	held := e.Local.Addr().WithZone("").Unmap()
	if !t.loose && (e.Remote.IsValid() || isWildcard(held) != isWildcard(t.address)) {
		return no
	}
	switch {
	case t.address.Is4() && !held.Is4():
		return truthOf(isWildcard(held)).and(known(e.Options.V6Only).not())
	case t.address.Is4() != held.Is4():
		return no
	}
	return truthOf(held == t.address || isWildcard(held) || isWildcard(t.address))
}

// predict carries the tests out on the sockets of the port.
func (n *bsdSocket) predict(s *netstate.Snapshot, tests []bsdTest) Prediction {
	verdict, first := no, true
	var p Prediction
	// A socket that is gone uncovers the next best match, for which another
	// test may fail.
	gone := map[int]bool{}
	for again := true; again; first = false {
		again = false
		for i := range tests {
			match := n.lookup(s, &tests[i], gone)
			if first && len(p.Culprits) == 0 {
				verdict = verdict.or(match.fails)
				p.Missing = match.missing(s, n, &tests[i], p.Missing)
			}
			for _, socket := range slices.Concat(match.culprits, match.undecided) {
				gone[socket], again = true, true
			}
			p.Culprits = append(p.Culprits, match.culprits...)
			p.Undecided = append(p.Undecided, match.undecided...)
		}
	}
	slices.Sort(p.Culprits)
	slices.Sort(p.Undecided)
	return n.conclude(s, verdict, p, tests)
}

func (n *bsdSocket) conclude(s *netstate.Snapshot, verdict truth, p Prediction, tests []bsdTest) Prediction {
	switch verdict {
	case yes:
		return Prediction{Bind: "EADDRINUSE", Culprits: p.Culprits, Undecided: p.Undecided}
	case unsure:
		undecided := slices.Concat(p.Culprits, p.Undecided)
		slices.Sort(undecided)
		return Prediction{Bind: ResultUnknown, Undecided: undecided, Missing: p.Missing}
	}
	overlaps := func(e *netstate.Socket) truth { return n.overlaps(tests, e) }
	return n.listened(Prediction{Bind: ResultOK, Shares: coBound(s, n.Network, n.Port, overlaps)})
}

// listened adds what listen(2) answers, which looks for no conflict.
func (n *bsdSocket) listened(p Prediction) Prediction {
	if p.Bind == ResultOK && n.Network == netstate.TCP {
		p.Listen = ResultOK
	}
	return p
}

// overlaps tells whether e and the new socket have an address in common.
func (n *bsdSocket) overlaps(tests []bsdTest, e *netstate.Socket) truth {
	common := no
	for _, t := range tests {
		t.loose = true
		common = common.or(t.finds(e))
	}
	return common
}

// bsdMatch is what a lookup finds, and what the test says to it.
type bsdMatch struct {
	fails truth
	// culprits are the best matches if the test fails for certain, undecided
	// those sockets that may be the best match and leave it open.
	culprits, undecided []int
}

// lookup makes a test. Of several sockets that fit equally well the one bound
// last is the match; a snapshot does not show which that is.
func (n *bsdSocket) lookup(s *netstate.Snapshot, t *bsdTest, gone map[int]bool) bsdMatch {
	var fitting [maximumDistance][]int
	for i := range s.Sockets {
		e := &s.Sockets[i]
		if e.Local.Port() == n.Port && holdsPort(e, n.Network) && !gone[i] && t.finds(e) != no {
			distance := n.distance(t.address, e)
			fitting[distance] = append(fitting[distance], i)
		}
	}
	var match bsdMatch
	for _, group := range slices.Backward(fitting[:]) {
		match = t.nearer(s, match, group)
	}
	return match
}

// nearer is the match when the sockets of a group fit better than those that
// made the match so far.
func (t *bsdTest) nearer(s *netstate.Snapshot, farther bsdMatch, group []int) bsdMatch {
	if len(group) == 0 {
		return farther
	}
	least, most := yes, no
	var there, perhaps []int
	for _, i := range group {
		e := &s.Sockets[i]
		fails := t.fails(e)
		least, most = min(least, fails), max(most, fails)
		if t.finds(e) == yes {
			there = append(there, i)
		} else {
			perhaps = append(perhaps, i)
		}
	}
	if len(there) == 0 { // It may also be one of the farther ones.
		least, most = min(least, farther.fails), max(most, farther.fails)
		there, perhaps = farther.culprits, append(perhaps, farther.undecided...)
	}
	switch {
	case least == yes:
		return bsdMatch{fails: yes, culprits: there, undecided: perhaps}
	case most == no:
		return bsdMatch{fails: no}
	}
	return bsdMatch{fails: unsure, undecided: slices.Concat(there, perhaps)}
}

// missing says what would decide the test, before is what is missing already.
func (m *bsdMatch) missing(s *netstate.Snapshot, n *bsdSocket, t *bsdTest, before string) string {
	switch {
	case m.fails != unsure || before != "":
		return before
	}
	facts := missingFacts(s, m.undecided, n.uid, func(e *netstate.Socket) truth { return t.finds(e).and(t.fails(e)) })
	if facts == "" {
		return "the order in which the port's sockets were bound"
	}
	return facts
}

// bsdChoosePort predicts a bind of port 0. A system without a free port says
// EADDRNOTAVAIL, not EADDRINUSE.
func (n *bsdSocket) choosePort(s *netstate.Snapshot, tests []bsdTest) Prediction {
	scan := portScan{
		network:   n.Network,
		exhausted: "EADDRNOTAVAIL",
		uid:       n.uid,
		keeps: func(e *netstate.Socket) truth {
			kept := no
			for i := range tests {
				kept = kept.or(tests[i].finds(e))
			}
			return kept
		},
	}
	return n.listened(scan.run(s))
}

// bsdAddressRefusal: an address must be one of an interface (its broadcast
// address included), the wildcard, or for UDP multicast (in_pcbbind_setup,
// in6_pcbbind; tcp_usr_bind in tcp_usrreq.c). Only 127.0.0.1 is local, not all
// of 127/8.
func bsdAddressRefusal(s *netstate.Snapshot, request netstate.BindRequest) (errno, missing string) {
	address := request.Address
	switch {
	case address.Unmap().IsMulticast() && request.Network == netstate.TCP:
		return "EAFNOSUPPORT", ""
	case address.Unmap().IsMulticast() || address.WithZone("") == netip.IPv6Unspecified() || address == netip.IPv4Unspecified():
		return "", ""
	case address.Is4In6() && request.V6Only:
		return "EADDRNOTAVAIL", "" // Looked for among the IPv6 addresses.
	case isWildcard(address):
		return "", ""
	case len(s.Policy.Addresses) == 0:
		return "", missingAddresses
	case address.IsLinkLocalUnicast() && address.Is6() && address.Zone() == "":
		return "", "what the system makes of a link-local address without a zone (not measured)"
	case interfaceHas(s, address.WithZone("").Unmap(), zoneDevice(s, address)) || interfaceBroadcast(s, address.Unmap()):
		return "", ""
	}
	return "EADDRNOTAVAIL", ""
}

func interfaceBroadcast(s *netstate.Snapshot, address netip.Addr) bool {
	return slices.ContainsFunc(s.Policy.Addresses, func(a netstate.InterfaceAddress) bool { return a.Broadcast == address })
}
