package diagnose

import (
	"net/netip"
	"slices"

	"portdoc/netstate"
)

// Two sockets of one port, one that conflicts with a newcomer and one that
// would share with it by SO_REUSEPORT: which of them was bound last decides
// whether the kernel sees the conflict. A snapshot does not show that, so a
// newcomer that may be helped this way gets no certain answer. Nor does it
// show sockets that were closed and options that were changed since: they can
// help too, and nothing tells.

// orderKey is what a socket's bind depends on, beside its address. Sockets of
// a busy port come in few kinds.
type orderKey struct {
	device    string
	reuseAddr truth
	// bound tells that the socket itself came through bind(2).
	bound, listening bool
	// part is a helper that does not claim all that the newcomer does. It
	// may get on with a rival that the newcomer meets.
	part bool
}

func keyOf(e *netstate.Socket) orderKey {
	listening := e.State == netstate.StateListen
	return orderKey{
		device:    e.Device,
		reuseAddr: known(e.Options.ReuseAddr),
		bound:     listening || e.State == netstate.StateBound,
		listening: listening,
	}
}

func (f *search) addOrder(n *linuxSocket, e *netstate.Socket, conflict truth) {
	if !n.reusePort {
		return
	}
	if conflict == yes {
		f.rivals = addKey(f.rivals, keyOf(e))
	}
	if n.mayHelp(e) {
		helper := keyOf(e)
		helper.part = n.dual() && (e.Local.Addr() != netip.IPv6Unspecified() || known(e.Options.V6Only) != no)
		f.helpers = addKey(f.helpers, helper)
	}
}

// addKey adds a key that is not there yet.
func addKey(keys []orderKey, key orderKey) []orderKey {
	if slices.Contains(keys, key) {
		return keys
	}
	return append(keys, key)
}

// orderDecides tells whether a helper may have been bound after a rival.
func (f *search) orderDecides(n *linuxSocket) bool {
	for _, helper := range f.helpers {
		for _, rival := range f.rivals {
			if n.network == netstate.UDP || helper.mayFollow(rival) {
				return true
			}
		}
	}
	return false
}

// mayFollow: a rival that was bound, or listened, last has wiped out what the
// kernel remembered of the helper. It came first only where their options let
// the helper be bound beside it. Connections wipe out nothing.
func (helper orderKey) mayFollow(rival orderKey) bool {
	apart := helper.device != "" && rival.device != "" && helper.device != rival.device
	return !rival.bound || helper.part || apart || !rival.listening && helper.reuseAddr.and(rival.reuseAddr) != no
}

// mayHelp tells whether e may make the kernel overlook a conflict.
func (n *linuxSocket) mayHelp(e *netstate.Socket) bool {
	if known(e.Options.ReusePort) == no || sameUser(n.uid, e.UID) == no {
		return false
	}
	if n.network == netstate.UDP {
		return n.endsWalk(e) != no
	}
	return n.mayBeRemembered(e)
}

// endsWalk: the kernel walks the UDP sockets of the port, mostly from the
// newest to the oldest, and the first that meets n without SO_REUSEADDR on
// both decides. If that one shares by SO_REUSEPORT, nobody asks the others
// (udp_lib_lport_inuse in net/ipv4/udp.c).
func (n *linuxSocket) endsWalk(e *netstate.Socket) truth {
	excused := truthOf(n.reuseAddr).and(known(e.Options.ReuseAddr))
	return n.meets(e).and(excused.not())
}

// mayBeRemembered: for each TCP port the kernel remembers user and address of
// the last bind with SO_REUSEPORT, and a bind by the same user within that
// address passes unseen (sk_reuseport_match in
// net/ipv4/inet_connection_sock.c). Devices are not compared. The address may
// be that of the listener that accepted e, or the wildcard from which
// connect(2) narrowed e.
func (n *linuxSocket) mayBeRemembered(e *netstate.Socket) bool {
	if n.within(e.Local.Addr().WithZone(""), known(e.Options.V6Only)) {
		return true
	}
	wildcard := netip.IPv4Unspecified()
	if e.Family == netstate.IPv6 {
		wildcard = netip.IPv6Unspecified()
	}
	return e.Remote.IsValid() && n.within(wildcard, unsure)
}

// dual tells whether n claims all of IPv4 and IPv6.
func (n *linuxSocket) dual() bool { return n.address == netip.IPv6Unspecified() && !n.v6only }

// within tells whether n's address may be the remembered one or part of it. A
// dual-stack :: counts as part of 0.0.0.0, and of :: without IPv4.
func (n *linuxSocket) within(remembered netip.Addr, v6only truth) bool {
	switch {
	case remembered == netip.IPv6Unspecified():
		return !isV4(n.address) || v6only != yes
	case remembered == netip.IPv4Unspecified():
		return isV4(n.address) || n.dual()
	case isWildcard(remembered): // ::ffff:0.0.0.0
		return isV4(n.address)
	}
	return remembered.Unmap() == n.address.Unmap()
}
