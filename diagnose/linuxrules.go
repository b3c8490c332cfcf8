package diagnose

import (
	"net/netip"

	"portdoc/netstate"
)

// predictLinux follows the kernel from bind(2) to the end of its search for a
// conflict. The files named here are those of Linux 6.18; what they say was
// compared with the answers of that kernel (see the differential test).
//
// Kernels before 6.9 let some pairs pass that these rules refuse: 6.1.0 to
// 6.1.4 TIME_WAIT, 6.1 to 6.8 some of IPv4-mapped and IPV6_V6ONLY sockets
// (tools/testing/selftests/net/bind_timewait.c, bind_wildcard.c).
//
// Not in a snapshot, so not in the rules: security modules (SELinux name_bind)
// and cgroup programs, which may refuse any bind, TCP_REPAIR, which passes any
// conflict, and VRF devices, each of which has ports of its own.
func predictLinux(s *netstate.Snapshot, request netstate.BindRequest) Prediction {
	if p, refused := refusal(linuxRefusal(s, request)); refused {
		return p
	}
	n := linuxNewcomer(s, request)
	if request.Port == 0 {
		return n.choosePort(s)
	}
	return n.prediction(s, request.Port)
}

// linuxRefusal is the errno of a bind that fails whatever else is bound, and
// what is missing where that can't be told.
//
// IPv4 looks at the address and then at the port (__inet_bind in
// net/ipv4/af_inet.c), IPv6 the other way round (__inet6_bind in
// net/ipv6/af_inet6.c).
func linuxRefusal(s *netstate.Snapshot, request netstate.BindRequest) (errno, missing string) {
	checks := []refusalCheck{familyRefusal, linuxAddress4Refusal, privilegedPortRefusal}
	if !request.Address.Is4() {
		checks = []refusalCheck{familyRefusal, linuxMulticast6Refusal, privilegedPortRefusal, linuxAddress6Refusal}
	}
	return firstRefusal(s, request, checks)
}

// linuxNewcomer is the socket as it is when the kernel looks for conflicts.
func linuxNewcomer(s *netstate.Snapshot, request netstate.BindRequest) linuxSocket {
	n := linuxSocket{
		network:   request.Network,
		address:   request.Address.WithZone(""),
		v6only:    request.V6Only,
		device:    request.Device,
		reuseAddr: request.ReuseAddr,
		reusePort: request.ReusePort,
		uid:       requestUID(s, request),
		self:      -1,
	}
	if !isWildcard(n.address) && !isV4(n.address) {
		n.v6only = true // __inet6_bind sets sk_ipv6only for a specific address.
	}
	if zone := zoneDevice(s, request.Address); zone != "" {
		n.device = zone // A link-local address with a scope overrides SO_BINDTODEVICE.
	}
	return n
}

// linuxSocket is a socket that binds, or that is bound and starts to listen.
type linuxSocket struct {
	network              netstate.Network
	address              netip.Addr
	v6only               bool
	device               string
	reuseAddr, reusePort bool
	uid                  *uint32
	// self is its own index in the snapshot, -1 for a new socket.
	self int
}

// conflict tells whether the pair of sockets alone makes a bind fail:
// inet_bind_conflict in net/ipv4/inet_connection_sock.c (as inet_csk_get_port
// calls it for a port that was asked for, relaxed and with SO_REUSEPORT), and
// udp_lib_lport_inuse in net/ipv4/udp.c.
func (n *linuxSocket) conflict(e *netstate.Socket) truth {
	return n.meets(e).and(n.shares(e).not())
}

// shares tells whether both sockets' options permit the same address.
func (n *linuxSocket) shares(e *netstate.Socket) truth {
	return n.sharesByAddress(e).or(n.sharesByPort(e))
}

// sharesByAddress: SO_REUSEADDR is needed on both, and never gets past a
// listener.
func (n *linuxSocket) sharesByAddress(e *netstate.Socket) truth {
	return truthOf(n.reuseAddr && e.State != netstate.StateListen).and(known(e.Options.ReuseAddr))
}

// sharesByPort: SO_REUSEPORT is needed on both, and one user. TIME_WAIT
// sockets have no user any more, and count as anybody's.
func (n *linuxSocket) sharesByPort(e *netstate.Socket) truth {
	return truthOf(n.reusePort).and(known(e.Options.ReusePort)).
		and(truthOf(isTimeWait(e)).or(sameUser(n.uid, e.UID)))
}

// isTimeWait tells whether the kernel keeps e as a small TIME_WAIT socket. An
// orphaned FIN_WAIT2 is one too (tcp_time_wait in net/ipv4/tcp_minisocks.c)
// and runs the same timer.
func isTimeWait(e *netstate.Socket) bool {
	return e.State == netstate.StateTimeWait || e.Timer != nil && e.Timer.Kind == netstate.TimerTimeWait
}

// meets tells whether the sockets could get the same packet: their devices and
// addresses overlap.
func (n *linuxSocket) meets(e *netstate.Socket) truth {
	if n.device != "" && e.Device != "" && n.device != e.Device {
		return no
	}
	return n.overlaps(e)
}

// overlaps compares addresses as sets: inet_rcv_saddr_equal in
// net/ipv4/inet_connection_sock.c, and inet_bind2_bucket_match_addr_any in
// net/ipv4/inet_hashtables.c for TCP.
func (n *linuxSocket) overlaps(e *netstate.Socket) truth {
	held := e.Local.Addr().WithZone("")
	switch {
	case !isV4(n.address) && isV4(held):
		return truthOf(isWildcard(n.address) && !n.v6only)
	case !isV4(n.address):
		return truthOf(n.address == held || isWildcard(n.address) || isWildcard(held))
	case isV4(held):
		return truthOf(n.address.Unmap() == held.Unmap() || isWildcard(n.address) || isWildcard(held))
	case isWildcard(held) || n.seesShadow():
		return known(e.Options.V6Only).not()
	}
	return no
}

// v6Shadow is the IPv4 address that an IPv6 socket has inside when its own
// address has no IPv4 form (LOOPBACK4_IPV6 in include/net/ipv6.h).
var v6Shadow = netip.AddrFrom4([4]byte{127, 0, 0, 6})

// seesShadow tells whether n would compare its address with the shadow of an
// IPv6 socket that has a specific address and no IPV6_V6ONLY: one that a
// dual-stack listener accepted, or whose address connect(2) chose. TCP looks a
// specific address up in a table, where the shadow is not.
func (n *linuxSocket) seesShadow() bool {
	return n.address.Is4() && (n.address.IsUnspecified() || n.network == netstate.UDP && n.address == v6Shadow)
}
