package netstate

import "net/netip"

// The values are those of the macOS kernel: xnu-11417 bsd/sys/socket.h,
// bsd/sys/socketvar.h, bsd/netinet/in_pcb.h and bsd/netinet/tcp_fsm.h.
const (
	xnuReuseAddr = 0x4   // SO_REUSEADDR
	xnuReusePort = 0x200 // SO_REUSEPORT

	// xnuNoDescriptor (SS_NOFDREF) is set in so_state once no descriptor
	// refers to the socket any more, and until accept(2) makes the first.
	xnuNoDescriptor = 0x1

	xnuIPv4 = 0x1 // INP_IPV4; both are set for a dual-stack socket
	xnuIPv6 = 0x2 // INP_IPV6

	xnuAnonymousPort = 0x40 // INP_ANONPORT: the kernel chose the port

	xnuAFInet6 = 30
)

// xnuSocket is a row of what the macOS kernel lists, or of what its netstat
// prints.
type xnuSocket struct {
	Socket
	// open tells whether a descriptor refers to the socket.
	open bool
	// controlBlock is the disguised kernel address that lsof shows in its
	// DEVICE column; 0 where unknown.
	controlBlock uint64
	// ownerUsers are the users of the owners that were seen.
	ownerUsers map[uint32]bool
}

// xnuStates are the states of TCP by their numbers.
var xnuStates = [...]State{
	StateBound, StateListen, StateSynSent, StateSynRecv, StateEstablished, StateCloseWait,
	StateFinWait1, StateClosing, StateLastAck, StateFinWait2, StateTimeWait,
}

// setOptionBits fills in so_options.
func (s *xnuSocket) setOptionBits(options uint32) {
	s.Options.ReuseAddr = new(options&xnuReuseAddr != 0)
	s.Options.ReusePort = new(options&xnuReusePort != 0)
}

// setV6Only fills in IPV6_V6ONLY of a wildcard socket. One with an address of
// its own has given IPv4 up whatever the option is (in6_pcbbind in
// bsd/netinet6/in6_pcb.c).
func (s *xnuSocket) setV6Only(only bool) {
	if s.Family == IPv6 && s.Local.Addr() == netip.IPv6Unspecified() {
		s.Options.V6Only = &only
	}
}

// setUDPState is the state of a socket that has no connection.
func (s *xnuSocket) setUDPState() {
	s.State = StateUnconnected
	if s.Remote.IsValid() {
		s.State = StateEstablished
	}
}

// identify fills in what depends on whether a descriptor refers to the socket:
// macOS has no inodes of sockets, so the number by which the kernel counts
// them stands for one.
func (s *xnuSocket) identify(generation uint64) {
	if s.open {
		s.Inode = generation
	}
	if s.Origin = originByState(&s.Socket); s.State == StateSynRecv && s.open {
		s.Origin = "" // both ends opened it at the same time
	}
}

// numberSockets gives the open sockets of which the source told no number one
// that tells the rows of this snapshot apart.
func numberSockets(rows []xnuSocket) {
	for i := range rows {
		if rows[i].open && rows[i].Inode == 0 {
			rows[i].Inode = uint64(i) + 1
		}
	}
}

// selectSockets splits the whole table of one network into the sockets that
// have one of the asked ports, and the other ends of those that nobody has
// open any more.
func selectSockets(table []xnuSocket, ports portSet) (asked, peers []xnuSocket) {
	wanted := make(map[ends]bool)
	for _, s := range table {
		if !ports.contains(s.Local.Port()) {
			continue
		}
		asked = append(asked, s)
		if !s.open && waitsForPeer(s.State) && !sameEndpoint(s.Local, s.Remote) {
			wanted[endsOf(s.Remote, s.Local)] = true
		}
	}
	for _, s := range table {
		if s.Remote.IsValid() && wanted[endsOf(s.Local, s.Remote)] {
			peers = append(peers, s)
		}
	}
	return asked, peers
}

// ends are the ends of a connection, seen from one of them.
type ends struct{ local, remote netip.AddrPort }

func endsOf(local, remote netip.AddrPort) ends {
	return ends{plainEnd(local), plainEnd(remote)}
}

// plainEnd is an address without what its spelling adds: the zone, and that it
// is IPv4 in an IPv6 socket.
func plainEnd(end netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(end.Addr().Unmap().WithZone(""), end.Port())
}
