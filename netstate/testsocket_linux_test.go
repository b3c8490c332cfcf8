package netstate

import (
	ordered "cmp"
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

// testSocket is a socket made with plain system calls: Go's net package sets
// options of its own.
type testSocket struct {
	t      testing.TB
	fd     int
	closed bool
}

func newTestSocket(t testing.TB, family, kind, protocol int) *testSocket {
	t.Helper()
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		t.Fatal("socket:", err)
	}
	s := &testSocket{t: t, fd: fd}
	t.Cleanup(s.close)
	return s
}

func newTCP4(t testing.TB) *testSocket { return newTestSocket(t, unix.AF_INET, unix.SOCK_STREAM, 0) }
func newTCP6(t testing.TB) *testSocket { return newTestSocket(t, unix.AF_INET6, unix.SOCK_STREAM, 0) }
func newUDP4(t testing.TB) *testSocket { return newTestSocket(t, unix.AF_INET, unix.SOCK_DGRAM, 0) }
func newUDP6(t testing.TB) *testSocket { return newTestSocket(t, unix.AF_INET6, unix.SOCK_DGRAM, 0) }

func (s *testSocket) close() {
	if !s.closed {
		s.closed = true
		unix.Close(s.fd)
	}
}

func (s *testSocket) must(what string, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
}

func (s *testSocket) set(level, option, value int) *testSocket {
	s.t.Helper()
	s.must("setsockopt", unix.SetsockoptInt(s.fd, level, option, value))
	return s
}

func (s *testSocket) bind(address string) *testSocket {
	s.t.Helper()
	s.must("bind "+address, unix.Bind(s.fd, sockaddr(s.t, netip.MustParseAddrPort(address))))
	return s
}

func (s *testSocket) listen(backlog int) *testSocket {
	s.t.Helper()
	s.must("listen", unix.Listen(s.fd, backlog))
	return s
}

func (s *testSocket) connect(to netip.AddrPort) *testSocket {
	s.t.Helper()
	s.must("connect "+to.String(), unix.Connect(s.fd, sockaddr(s.t, to)))
	return s
}

// connectLater begins to connect and does not wait.
func (s *testSocket) connectLater(to netip.AddrPort) *testSocket {
	s.t.Helper()
	s.must("nonblocking", unix.SetNonblock(s.fd, true))
	if err := unix.Connect(s.fd, sockaddr(s.t, to)); err != unix.EINPROGRESS {
		s.t.Fatalf("connect %s: %v", to, err)
	}
	return s
}

func (s *testSocket) accept() *testSocket {
	s.t.Helper()
	fd, _, err := unix.Accept4(s.fd, unix.SOCK_CLOEXEC)
	s.must("accept", err)
	accepted := &testSocket{t: s.t, fd: fd}
	s.t.Cleanup(accepted.close)
	return accepted
}

func (s *testSocket) shutdown() {
	s.t.Helper()
	s.must("shutdown", unix.Shutdown(s.fd, unix.SHUT_WR))
}

func (s *testSocket) write(n int) {
	s.t.Helper()
	for n > 0 {
		written, err := unix.Write(s.fd, make([]byte, min(n, 1<<16)))
		s.must("write", err)
		n -= written
	}
}

func (s *testSocket) read(n int) {
	s.t.Helper()
	for n > 0 {
		got, err := unix.Read(s.fd, make([]byte, min(n, 1<<16)))
		s.must("read", err)
		if got == 0 {
			s.t.Fatal("read: the stream ended")
		}
		n -= got
	}
}

// fill writes until neither the peer nor the kernel takes any more.
func (s *testSocket) fill() (written int) {
	s.t.Helper()
	s.must("nonblocking", unix.SetNonblock(s.fd, true))
	for {
		n, err := unix.Write(s.fd, make([]byte, 1<<16))
		if err == unix.EAGAIN {
			return written
		}
		s.must("write", err)
		written += n
	}
}

// deafen drops every segment that arrives for the socket.
func (s *testSocket) deafen() {
	s.t.Helper()
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	s.must("SO_ATTACH_FILTER", unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(drop)), Filter: &drop[0]}))
}

func (s *testSocket) hearAgain() {
	s.t.Helper()
	s.set(unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
}

func (s *testSocket) local() netip.AddrPort {
	s.t.Helper()
	address, err := unix.Getsockname(s.fd)
	s.must("getsockname", err)
	return addrPort(s.t, address)
}

func (s *testSocket) inode() uint64 {
	s.t.Helper()
	var stat unix.Stat_t
	s.must("fstat", unix.Fstat(s.fd, &stat))
	return stat.Ino
}

func (s *testSocket) cookie() uint64 {
	s.t.Helper()
	cookie, err := unix.GetsockoptUint64(s.fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	s.must("SO_COOKIE", err)
	return cookie
}

func sockaddr(t testing.TB, a netip.AddrPort) unix.Sockaddr {
	t.Helper()
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	address := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if zone := a.Addr().Zone(); zone != "" {
		address.ZoneId = interfaceIndex(zone)
	}
	return address
}

func addrPort(t testing.TB, address unix.Sockaddr) netip.AddrPort {
	t.Helper()
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	t.Fatalf("an address of type %T", address)
	return netip.AddrPort{}
}

// connection is a server's accepted socket and the client's, both open. The
// client's port is bound: connect(2) alone may choose one that a connection
// of another test still has, in TIME_WAIT.
type connection struct{ listener, server, client *testSocket }

func newConnection(t testing.TB) connection {
	t.Helper()
	listener := newTCP4(t).bind("127.0.0.1:0").listen(8)
	client := newTCP4(t).bind("127.0.0.1:0").connect(listener.local())
	return connection{listener: listener, server: listener.accept(), client: client}
}

// snapshotOfPort reads the sockets of one port, and fails on any limit.
func snapshotOfPort(t testing.TB, network Network, port uint16) *Snapshot {
	t.Helper()
	s := &Snapshot{Query: Query{Endpoints: []Endpoint{{Network: network, Port: port}}}}
	if err := readSockets(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	for _, limit := range s.Limits {
		t.Errorf("limit: %+v", limit)
	}
	return s
}

// snapshotOnce reads a port until the condition holds: what one side does
// reaches the other a little later.
func snapshotOnce(t testing.TB, port uint16, holds func(*Snapshot) bool) *Snapshot {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		s := snapshotOfPort(t, TCP, port)
		if holds(s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("the condition did not come about: %+v", s.Sockets)
		}
	}
}

// inState returns the one socket in a state, waiting for it.
func inState(t testing.TB, port uint16, state State) Socket {
	t.Helper()
	var found []Socket
	snapshotOnce(t, port, func(s *Snapshot) bool {
		found = socketsIn(s.Sockets, state)
		return len(found) == 1
	})
	return found[0]
}

func socketsIn(sockets []Socket, state State) []Socket {
	var found []Socket
	for _, s := range sockets {
		if s.State == state {
			found = append(found, s)
		}
	}
	return found
}

// row is what a dump should say of a socket that is open here, by what its
// descriptor says.
func (s *testSocket) row(network Network, state State, origin Origin) Socket {
	s.t.Helper()
	no, uid := false, uint32(unix.Geteuid())
	row := Socket{
		Network: network, Family: IPv4, State: state, Origin: origin,
		Local: s.local(), Inode: s.inode(), Cookie: s.cookie(), UID: &uid,
		Options: Options{FreeBind: &no, Transparent: &no},
	}
	if !row.Local.Addr().Is4() {
		row.Family = IPv6
	}
	if peer, err := unix.Getpeername(s.fd); err == nil {
		row.Remote = addrPort(s.t, peer)
	}
	return row
}

// tcp is a row of a TCP socket.
func (s *testSocket) tcp(state State, origin Origin) Socket {
	s.t.Helper()
	return s.row(TCP, state, origin)
}

// withTimer sets the kind of timer that a row should have.
func (s Socket) withTimer(kind TimerKind) Socket {
	s.Timer = &Timer{Kind: kind}
	return s
}

// withV6Only sets the IPV6_V6ONLY that a row should have.
func (s Socket) withV6Only(value bool) Socket {
	s.Options.V6Only = &value
	return s
}

// orphan is a row that has no descriptor any more.
func (s Socket) orphan() Socket {
	s.Inode = 0
	return s
}

// mini is a row of which the kernel keeps only a few bytes.
func (s Socket) mini() Socket {
	s.Inode, s.UID, s.CgroupID, s.Options, s.Origin = 0, nil, 0, Options{}, ""
	return s
}

// compareSockets compares rows without regard to their order, and apart from
// what no test can know: lengths of queues, what is left of a timer, cgroups.
func compareSockets(t testing.TB, got []Socket, want ...Socket) {
	t.Helper()
	order := cmpopts.SortSlices(func(a, b Socket) int {
		return ordered.Or(ordered.Compare(a.State, b.State), a.Local.Compare(b.Local), a.Remote.Compare(b.Remote),
			ordered.Compare(a.Cookie, b.Cookie))
	})
	if diff := cmp.Diff(want, got, order, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.AddrPort{}),
		cmpopts.IgnoreFields(Socket{}, "ReceiveQueue", "SendQueue", "CgroupID"),
		cmpopts.IgnoreFields(Timer{}, "RemainingMilliseconds")); diff != "" {
		t.Errorf("sockets (-want +got):\n%s", diff)
	}
}
