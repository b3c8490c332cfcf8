package diagnose

import (
	"net/netip"

	"portdoc/netstate"
)

// predictMacOS: in_pcbbind in xnu bsd/netinet/in_pcb.c and in6_pcbbind in
// bsd/netinet6/in6_pcb.c; see bsdrules.go.
//
// Not in a snapshot: the ports that Network.framework has reserved (Skywalk),
// and those that the system keeps to itself (restricted ports); both give
// EADDRINUSE. SO_REUSESHAREUID is Apple's own and taken for not set.
func predictMacOS(s *netstate.Snapshot, request netstate.BindRequest) Prediction {
	checks := []refusalCheck{familyRefusal, bsdAddressRefusal, macOSPortRefusal}
	if p, refused := refusal(firstRefusal(s, request, checks)); refused {
		return p
	}
	n := newBSDSocket(s, request)
	tests := n.macOSTests()
	if request.Port == 0 {
		for i := range tests {
			tests[i].loose = true // Whatever the new socket sets.
		}
		return n.choosePort(s, tests)
	}
	return n.predict(s, tests)
}

// macOSPortRefusal: ports below 1024 need root for a specific address. Since
// 10.14 the wildcards are free for everybody (measured by third parties).
func macOSPortRefusal(s *netstate.Snapshot, request netstate.BindRequest) (errno, missing string) {
	const firstUnprivileged = 1024 // IPPORT_RESERVED
	if request.Port == 0 || request.Port >= firstUnprivileged || isWildcard(request.Address) {
		return "", ""
	}
	switch mayBindPrivileged(s, request) {
	case no:
		return "EACCES", ""
	case unsure:
		return "", "whether the program may bind ports below 1024"
	}
	return "", ""
}

// macOSTests are the lookups in their order: first for sockets of other users,
// then for any; each for IPv4 as well where the new socket is dual-stack.
func (n *bsdSocket) macOSTests() []bsdTest {
	loose := !n.sharing()
	tests := []bsdTest{{n.address, loose, n.refusesMacOS}}
	if n.dualWildcard() {
		tests = append(tests, bsdTest{netip.IPv4Unspecified(), loose, n.refusesDualMacOS})
	}
	if n.address.IsMulticast() {
		return tests
	}
	tests = append(tests, bsdTest{n.address, true, n.strangerMacOS})
	if n.dualWildcard() {
		tests = append(tests, bsdTest{netip.IPv4Unspecified(), true, n.strangerDualMacOS})
	}
	return tests
}

// strangerMacOS: a socket of another user refuses everybody but root, unless
// both have the wildcard; then IPv6 wants SO_REUSEPORT of it.
func (n *bsdSocket) strangerMacOS(e *netstate.Socket) truth {
	bothWildcard := isWildcard(n.address) && isWildcard(e.Local.Addr())
	excused := truthOf(bothWildcard)
	if !n.address.Is4() {
		excused = excused.and(known(e.Options.ReusePort))
	}
	return n.stranger(e).and(excused.not())
}

func (n *bsdSocket) strangerDualMacOS(e *netstate.Socket) truth {
	apart := truthOf(isWildcard(e.Local.Addr()) && e.Family == netstate.IPv4)
	return n.stranger(e).and(known(e.Options.ReusePort).not()).and(apart.not())
}

// stranger tells whether e is of another user, and the new socket not root's.
func (n *bsdSocket) stranger(e *netstate.Socket) truth {
	if n.uid != nil && *n.uid == 0 {
		return no
	}
	return sameUser(n.uid, e.UID).not()
}

// refusesMacOS: the match lets the new socket in only if both have
// SO_REUSEPORT; for a multicast address SO_REUSEADDR counts as well.
func (n *bsdSocket) refusesMacOS(e *netstate.Socket) truth {
	byPort := truthOf(n.ReusePort).and(known(e.Options.ReusePort))
	if n.address.IsMulticast() && n.ReuseAddr {
		byPort = known(e.Options.ReusePort).or(known(e.Options.ReuseAddr))
	}
	return byPort.not()
}

// refusesDualMacOS: the IPv4 half of a dual-stack wildcard gets on with an
// IPv4 socket on the wildcard.
func (n *bsdSocket) refusesDualMacOS(e *netstate.Socket) truth {
	apart := truthOf(isWildcard(e.Local.Addr()) && e.Family == netstate.IPv4)
	return n.refusesMacOS(e).and(apart.not())
}
