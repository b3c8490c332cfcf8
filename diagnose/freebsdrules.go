package diagnose

import (
	"net/netip"

	"portdoc/netstate"
)

// predictFreeBSD: in_pcbbind_setup in FreeBSD sys/netinet/in_pcb.c and
// in6_pcbbind_avail in sys/netinet6/in6_pcb.c (main), and where they differ
// tests/sys/netinet/socket_afinet.c; see bsdrules.go. Jails and FIBs, each of
// which has ports of its own, are not in a snapshot.
func predictFreeBSD(s *netstate.Snapshot, request netstate.BindRequest) Prediction {
	checks := []refusalCheck{familyRefusal, bsdAddressRefusal, privilegedPortRefusal}
	if p, refused := refusal(firstRefusal(s, request, checks)); refused {
		return p
	}
	n := newBSDSocket(s, request)
	n.mappedCost = 3 // INP_LOOKUP_MAPPED_PCB_COST
	if request.Port == 0 {
		return n.choosePort(s, n.freeBSDTests()[:1])
	}
	return n.predict(s, n.freeBSDTests())
}

// freeBSDTests are the lookups: for any socket, and for those of other users;
// each for IPv4 as well where the new socket is dual-stack.
func (n *bsdSocket) freeBSDTests() []bsdTest {
	loose := !n.sharing()
	tests := []bsdTest{{n.address, loose, n.refusesFreeBSD}}
	if n.dualWildcard() {
		tests = append(tests, bsdTest{netip.IPv4Unspecified(), loose, n.refusesDualFreeBSD})
	}
	if n.address.IsMulticast() {
		return tests
	}
	tests = append(tests, bsdTest{n.address, true, n.strangerFreeBSD})
	if n.dualWildcard() {
		tests = append(tests, bsdTest{netip.IPv4Unspecified(), true, n.strangerFreeBSD})
	}
	return tests
}

// strangerFreeBSD: a socket of another user refuses everybody but root, unless
// it is a TCP connection.
func (n *bsdSocket) strangerFreeBSD(e *netstate.Socket) truth {
	connection := n.Network == netstate.TCP && e.Remote.IsValid()
	return n.stranger(e).and(truthOf(connection).not())
}

// refusesFreeBSD: the match lets the new socket in if both have SO_REUSEPORT,
// or both SO_REUSEPORT_LB. SO_REUSEADDR on both does not permit two sockets on
// one address; for a multicast address it counts for either of the others.
func (n *bsdSocket) refusesFreeBSD(e *netstate.Socket) truth {
	byPort := truthOf(n.ReusePort).and(known(e.Options.ReusePort))
	byGroup := truthOf(n.ReusePortLB).and(known(e.Options.ReusePortLB))
	if n.address.IsMulticast() {
		byAddress := known(e.Options.ReuseAddr)
		byPort = truthOf(n.ReuseAddr || n.ReusePort).and(byAddress.or(known(e.Options.ReusePort)))
		byGroup = truthOf(n.ReuseAddr || n.ReusePortLB).and(byAddress.or(known(e.Options.ReusePortLB)))
	}
	return byPort.or(byGroup).not()
}

// refusesDualFreeBSD: the IPv4 half of a dual-stack wildcard gets on with an
// IPv4 socket on the wildcard.
func (n *bsdSocket) refusesDualFreeBSD(e *netstate.Socket) truth {
	apart := truthOf(isWildcard(e.Local.Addr()) && e.Family == netstate.IPv4)
	return n.refusesFreeBSD(e).and(apart.not())
}
