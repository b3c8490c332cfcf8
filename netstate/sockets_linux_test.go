package netstate

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStates makes each state a TCP socket can be in for real.
func TestStates(t *testing.T) {
	tests := map[string]func(t *testing.T) (port uint16, want []Socket){
		"listen":               listening,
		"accepted connection":  accepted,
		"outgoing connection":  outgoing,
		"accept queue":         acceptQueue,
		"bound":                boundOnly,
		"bound after a reset":  boundAfterReset,
		"SYN_SENT":             synSent,
		"SYN_RECV":             synReceived,
		"FIN_WAIT1":            finWait1,
		"FIN_WAIT1 orphan":     finWait1Orphan,
		"FIN_WAIT2":            finWait2,
		"FIN_WAIT2 orphan":     finWait2Orphan,
		"CLOSE_WAIT":           closeWait,
		"LAST_ACK orphan":      lastAckOrphan,
		"CLOSING":              closing,
		"CLOSING orphan":       closingOrphan,
		"TIME_WAIT":            timeWait,
		"connected to itself":  selfConnected,
		"mapped address":       mappedAddress,
		"IPV6_V6ONLY":          v6Only,
		"dual-stack":           dualStack,
		"SO_REUSEPORT twins":   reusePortTwins,
		"MPTCP listener":       mptcpListener,
		"MPTCP listener of Go": mptcpListenerOfGo,
		"MPTCP bound":          mptcpBound,
		"SO_BINDTODEVICE":      deviceBound,
		"IP_FREEBIND":          freeBind,
		"IP_TRANSPARENT":       transparent,
	}
	for name, arrange := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, want := arrange(t)
			got := snapshotOfPort(t, TCP, port).Sockets
			compareSockets(t, withoutLeftovers(got, want), want...)
		})
	}
}

// withoutLeftovers drops the rows of connections that other tests left behind:
// while they wait the kernel may give their port to somebody who connects
// elsewhere.
func withoutLeftovers(got, want []Socket) []Socket {
	return slices.DeleteFunc(got, func(s Socket) bool {
		return s.Inode == 0 && !slices.ContainsFunc(want, func(w Socket) bool {
			return w.Local == s.Local && w.Remote == s.Remote
		})
	})
}

func listening(t *testing.T) (uint16, []Socket) {
	s := newTCP4(t).bind("127.0.0.1:0").listen(8)
	return s.local().Port(), []Socket{s.tcp(StateListen, OriginBind)}
}

func accepted(t *testing.T) (uint16, []Socket) {
	c := newConnection(t)
	return c.listener.local().Port(), []Socket{
		c.listener.tcp(StateListen, OriginBind),
		c.server.tcp(StateEstablished, OriginAccept),
	}
}

func outgoing(t *testing.T) (uint16, []Socket) {
	listener := newTCP4(t).bind("127.0.0.1:0").listen(8)
	client := newTCP4(t).connect(listener.local())
	return client.local().Port(), []Socket{client.tcp(StateEstablished, OriginConnect)}
}

func acceptQueue(t *testing.T) (uint16, []Socket) {
	listener := newTCP4(t).bind("127.0.0.1:0").listen(8)
	client := newTCP4(t).connect(listener.local())
	queued := client.tcp(StateEstablished, OriginAccept).orphan()
	queued.Local, queued.Remote = queued.Remote, queued.Local
	port := listener.local().Port()
	queued.Cookie = inState(t, port, StateEstablished).Cookie
	return port, []Socket{listener.tcp(StateListen, OriginBind), queued}
}

func boundOnly(t *testing.T) (uint16, []Socket) {
	s := newTCP4(t).bind("127.0.0.1:0")
	return s.local().Port(), []Socket{s.tcp(StateBound, OriginBind)}
}

func boundAfterReset(t *testing.T) (uint16, []Socket) {
	listener := newTCP4(t).bind("127.0.0.1:0").listen(8)
	client := newBoundTCP4(t).connect(listener.local())
	server := listener.accept()
	unix.SetsockoptLinger(server.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	server.close() // with a reset
	port := client.local().Port()
	inState(t, port, StateBound)
	want := client.tcp(StateBound, OriginBind)
	want.Remote = inState(t, port, StateBound).Remote
	return port, []Socket{want}
}

// newBoundTCP4 has a port that it asked for by number, which it keeps for as
// long as it is open.
func newBoundTCP4(t *testing.T) *testSocket {
	holder := newTCP4(t).set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1).bind("127.0.0.1:0")
	defer holder.close()
	return newTCP4(t).set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1).bind(holder.local().String())
}

func synSent(t *testing.T) (uint16, []Socket) {
	listener := newTCP4(t).bind("127.0.0.1:0").listen(0)
	newTCP4(t).connect(listener.local()) // the queue is full now
	client := newTCP4(t).connectLater(listener.local())
	want := client.tcp(StateSynSent, OriginConnect).withTimer(TimerRetransmit)
	want.Remote = listener.local()
	return client.local().Port(), []Socket{want}
}

func synReceived(t *testing.T) (uint16, []Socket) {
	listener := newTCP4(t).bind("127.0.0.1:0").listen(8)
	client := newTCP4(t)
	client.deafen()
	client.connectLater(listener.local())
	port := listener.local().Port()
	request := listener.tcp(StateSynRecv, OriginAccept).mini().withTimer(TimerRetransmit)
	request.Origin = OriginAccept
	request.Remote = client.local()
	request.Cookie = inState(t, port, StateSynRecv).Cookie
	t.Cleanup(func() { // a request outlives its listener, and would be on the next one's port
		client.close()
		snapshotOnce(t, port, func(s *Snapshot) bool { return len(socketsIn(s.Sockets, StateSynRecv)) == 0 })
	})
	return port, []Socket{listener.tcp(StateListen, OriginBind), request}
}

func finWait1(t *testing.T) (uint16, []Socket) {
	c := newConnection(t)
	c.server.deafen()
	c.client.shutdown()
	return c.client.local().Port(), []Socket{c.client.tcp(StateFinWait1, OriginConnect).withTimer(TimerRetransmit)}
}

func finWait1Orphan(t *testing.T) (uint16, []Socket) {
	c := newConnection(t)
	c.client.deafen()
	c.listener.close()
	want := c.server.tcp(StateFinWait1, OriginAccept).orphan().withTimer(TimerRetransmit)
	c.server.close()
	return want.Local.Port(), []Socket{want}
}

func finWait2(t *testing.T) (uint16, []Socket) {
	c := newConnection(t)
	c.client.shutdown()
	port := c.client.local().Port()
	inState(t, port, StateFinWait2)
	return port, []Socket{c.client.tcp(StateFinWait2, OriginConnect)}
}

func finWait2Orphan(t *testing.T) (uint16, []Socket) {
	c := newConnection(t)
	want := c.client.tcp(StateFinWait2, "").mini().withTimer(TimerTimeWait)
	c.client.close()
	checkRemaining(t, inState(t, want.Local.Port(), StateFinWait2), 60_000)
	return want.Local.Port(), []Socket{want}
}

func closeWait(t *testing.T) (uint16, []Socket) {
	c := newConnection(t)
	c.client.close()
	port := c.listener.local().Port()
	inState(t, port, StateCloseWait)
	return port, []Socket{
		c.listener.tcp(StateListen, OriginBind),
		c.server.tcp(StateCloseWait, OriginAccept),
	}
}

func lastAckOrphan(t *testing.T) (uint16, []Socket) {
	c := newConnection(t)
	c.client.shutdown()
	port := c.listener.local().Port()
	inState(t, port, StateCloseWait)
	c.client.deafen()
	want := c.server.tcp(StateLastAck, OriginAccept).orphan().withTimer(TimerRetransmit)
	c.server.close()
	return port, []Socket{c.listener.tcp(StateListen, OriginBind), want}
}

// closingConnection has a client in CLOSING: both sides ended their streams,
// and the server does not hear of it.
func closingConnection(t *testing.T) connection {
	c := newConnection(t)
	c.server.deafen()
	c.client.shutdown()
	c.server.shutdown()
	inState(t, c.client.local().Port(), StateClosing)
	return c
}

func closing(t *testing.T) (uint16, []Socket) {
	c := closingConnection(t)
	return c.client.local().Port(), []Socket{c.client.tcp(StateClosing, OriginConnect).withTimer(TimerRetransmit)}
}

func closingOrphan(t *testing.T) (uint16, []Socket) {
	c := closingConnection(t)
	want := c.client.tcp(StateClosing, OriginConnect).orphan().withTimer(TimerRetransmit)
	c.client.close()
	return want.Local.Port(), []Socket{want}
}

func timeWait(t *testing.T) (uint16, []Socket) {
	c := newConnection(t)
	want := c.client.tcp(StateTimeWait, "").mini().withTimer(TimerTimeWait)
	c.client.shutdown()
	inState(t, want.Remote.Port(), StateCloseWait)
	c.server.close()
	c.client.close()
	checkRemaining(t, inState(t, want.Local.Port(), StateTimeWait), 60_000)
	return want.Local.Port(), []Socket{want}
}

// checkRemaining expects a timer that was started a moment ago. TIME_WAIT and
// FIN_WAIT2 last a minute (TCP_TIMEWAIT_LEN, tcp_fin_timeout).
func checkRemaining(t *testing.T, s Socket, full int64) {
	t.Helper()
	if s.Timer == nil || s.Timer.RemainingMilliseconds <= full-30_000 || s.Timer.RemainingMilliseconds > full {
		t.Errorf("%s has timer %+v, want almost %d ms", s.State, s.Timer, full)
	}
}

func selfConnected(t *testing.T) (uint16, []Socket) {
	s := newTCP4(t).bind("127.0.0.1:0")
	s.connect(s.local())
	return s.local().Port(), []Socket{s.tcp(StateEstablished, OriginConnect)}
}

func mappedAddress(t *testing.T) (uint16, []Socket) {
	listener := newTCP6(t).bind("[::]:0").listen(8)
	port := listener.local().Port()
	newTCP4(t).connect(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port))
	server := listener.accept().tcp(StateEstablished, OriginAccept)
	if !server.Local.Addr().Is4In6() {
		t.Errorf("%s is not a mapped address", server.Local)
	}
	return port, []Socket{listener.tcp(StateListen, OriginBind).withV6Only(false), server}
}

func v6Only(t *testing.T) (uint16, []Socket) {
	s := newTCP6(t).set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1).bind("[::]:0").listen(8)
	return s.local().Port(), []Socket{s.tcp(StateListen, OriginBind).withV6Only(true)}
}

func dualStack(t *testing.T) (uint16, []Socket) {
	s := newTCP6(t).set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0).bind("[::]:0")
	return s.local().Port(), []Socket{s.tcp(StateBound, OriginBind).withV6Only(false)}
}

func reusePortTwins(t *testing.T) (uint16, []Socket) {
	first := newTCP4(t).set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1).bind("127.0.0.1:0").listen(8)
	second := newTCP4(t).set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1).bind(first.local().String()).listen(8)
	return first.local().Port(), []Socket{first.tcp(StateListen, OriginBind), second.tcp(StateListen, OriginBind)}
}

// newMPTCP makes a socket of multipath TCP (socket(2) with IPPROTO_MPTCP).
func newMPTCP(t *testing.T) *testSocket {
	return newTestSocket(t, unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
}

// mptcpRow is the row of the TCP socket inside an MPTCP socket. It has the
// outer socket's inode and a cookie of its own.
func mptcpRow(t *testing.T, s *testSocket, state State) (uint16, []Socket) {
	port := s.local().Port()
	want := s.tcp(state, OriginBind)
	want.Cookie = inState(t, port, state).Cookie
	return port, []Socket{want}
}

func mptcpListener(t *testing.T) (uint16, []Socket) {
	return mptcpRow(t, newMPTCP(t).bind("127.0.0.1:0").listen(8), StateListen)
}

func mptcpBound(t *testing.T) (uint16, []Socket) {
	return mptcpRow(t, newMPTCP(t).bind("127.0.0.1:0"), StateBound)
}

func mptcpListenerOfGo(t *testing.T) (uint16, []Socket) {
	var config net.ListenConfig
	config.SetMultipathTCP(true)
	listener, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if protocol, err := unix.GetsockoptInt(int(file.Fd()), unix.SOL_SOCKET, unix.SO_PROTOCOL); protocol != unix.IPPROTO_MPTCP {
		t.Fatalf("the listener has protocol %d (%v), not MPTCP", protocol, err)
	}
	return mptcpRow(t, &testSocket{t: t, fd: int(file.Fd()), closed: true}, StateListen)
}

func deviceBound(t *testing.T) (uint16, []Socket) {
	s := newTCP4(t)
	s.must("SO_BINDTODEVICE", unix.BindToDevice(s.fd, "lo"))
	want := s.bind("127.0.0.1:0").listen(8).tcp(StateListen, OriginBind)
	want.Device = "lo"
	return want.Local.Port(), []Socket{want}
}

func freeBind(t *testing.T) (uint16, []Socket) {
	s := newTCP4(t).set(unix.IPPROTO_IP, unix.IP_FREEBIND, 1).bind("192.0.2.1:0").listen(8)
	want, yes := s.tcp(StateListen, OriginBind), true
	want.Options.FreeBind = &yes
	return want.Local.Port(), []Socket{want}
}

func transparent(t *testing.T) (uint16, []Socket) {
	s := newTCP4(t).set(unix.IPPROTO_IP, unix.IP_TRANSPARENT, 1).bind("192.0.2.1:0").listen(8)
	want, yes := s.tcp(StateListen, OriginBind), true
	want.Options.Transparent = &yes
	return want.Local.Port(), []Socket{want}
}
