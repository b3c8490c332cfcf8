package netstate

import (
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// originTest has one end of a connection do something, and says in which
// states both ends are then.
type originTest struct {
	act func(actor, peer *testSocket) (acts, hears State)
	// multipath: MPTCP does the same. It ends streams in another way, and
	// lets no filter be attached.
	multipath bool
}

// TestOrigin tells the two ends of a connection apart, whatever happened to
// it. Each end is in turn the one that acts.
func TestOrigin(t *testing.T) {
	tests := map[string]originTest{
		"nothing sent":              {nothing, true},
		"one byte":                  {oneByte, true},
		"small writes":              {smallWrites, true},
		"large transfer":            {largeTransfer, true},
		"transfer both ways":        {bothWays, true},
		"queue that the peer fills": {unsentData, true},
		"data in flight":            {dataInFlight, false},
		"retransmission":            {retransmission, false},
		"half closed":               {halfClosed, false},
		"half closed after data":    {halfClosedAfterData, false},
		"FIN in flight":             {finInFlight, false},
		"FIN behind unsent data":    {finBehindUnsent, false},
		"FIN behind data in flight": {finBehindDataInFlight, false},
		"simultaneous close":        {simultaneousClose, false},
		"LAST_ACK":                  {lastAck, false},
		"urgent data":               {urgentData, false},
	}
	for name, test := range tests {
		testOrigin(t, "TCP "+name, unix.IPPROTO_TCP, test)
		if test.multipath {
			testOrigin(t, "MPTCP "+name, unix.IPPROTO_MPTCP, test)
		}
	}
}

func testOrigin(t *testing.T, name string, protocol int, test originTest) {
	t.Run(name+" by the client", func(t *testing.T) {
		t.Parallel()
		c := newConnectionOf(t, protocol)
		client, server := test.act(c.client, c.server)
		checkOrigins(t, c, server, client)
	})
	t.Run(name+" by the server", func(t *testing.T) {
		t.Parallel()
		c := newConnectionOf(t, protocol)
		server, client := test.act(c.server, c.client)
		checkOrigins(t, c, server, client)
	})
}

// checkOrigins waits until both ends are in their states and at rest, and
// expects the origins.
func checkOrigins(t *testing.T, c connection, server, client State) {
	t.Helper()
	if origin := originInState(t, c.server, server); origin != OriginAccept {
		t.Errorf("the accepted end in %s has origin %q", server, origin)
	}
	if origin := originInState(t, c.client, client); origin != OriginConnect {
		t.Errorf("the connecting end in %s has origin %q", client, origin)
	}
}

// originInState waits until the origin is told: it stays open while something
// moves.
func originInState(t *testing.T, end *testSocket, state State) (origin Origin) {
	t.Helper()
	snapshotOnce(t, end.local().Port(), func(s *Snapshot) bool {
		for _, s := range socketsIn(s.Sockets, state) {
			origin = s.Origin
		}
		return origin != ""
	})
	return origin
}

func nothing(actor, peer *testSocket) (State, State) { return both(StateEstablished) }

func both(state State) (State, State) { return state, state }

func oneByte(actor, peer *testSocket) (State, State) {
	actor.write(1)
	peer.read(1)
	return both(StateEstablished)
}

func smallWrites(actor, peer *testSocket) (State, State) {
	actor.set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	for range 200 {
		actor.write(1)
	}
	peer.read(200)
	return both(StateEstablished)
}

func transfer(from, to *testSocket, n int) {
	var group sync.WaitGroup
	group.Go(func() { from.write(n) })
	to.read(n)
	group.Wait()
}

func largeTransfer(actor, peer *testSocket) (State, State) {
	transfer(actor, peer, 20<<20)
	return both(StateEstablished)
}

func bothWays(actor, peer *testSocket) (State, State) {
	transfer(actor, peer, 1<<20)
	transfer(peer, actor, 3<<20)
	return both(StateEstablished)
}

func dataInFlight(actor, peer *testSocket) (State, State) {
	peer.deafen()
	actor.write(3000)
	return both(StateEstablished)
}

func unsentData(actor, peer *testSocket) (State, State) {
	actor.fill()
	return both(StateEstablished)
}

func retransmission(actor, peer *testSocket) (State, State) {
	peer.deafen()
	actor.write(3000)
	waitForRetransmission(actor)
	peer.hearAgain()
	peer.read(3000)
	return both(StateEstablished)
}

// waitForRetransmission returns once the kernel has sent something again.
func waitForRetransmission(s *testSocket) {
	for {
		info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		s.must("TCP_INFO", err)
		if info.Total_retrans > 0 {
			return
		}
	}
}

func halfClosed(actor, peer *testSocket) (State, State) {
	actor.shutdown()
	return StateFinWait2, StateCloseWait
}

func halfClosedAfterData(actor, peer *testSocket) (State, State) {
	transfer(actor, peer, 1<<20)
	transfer(peer, actor, 1000)
	actor.shutdown()
	peer.write(7)
	return StateFinWait2, StateCloseWait
}

func finInFlight(actor, peer *testSocket) (State, State) {
	actor.write(5)
	peer.read(5)
	peer.deafen()
	actor.shutdown()
	return StateFinWait1, StateEstablished
}

func finBehindUnsent(actor, peer *testSocket) (State, State) {
	actor.fill()
	actor.shutdown()
	return StateFinWait1, StateEstablished
}

func finBehindDataInFlight(actor, peer *testSocket) (State, State) {
	peer.deafen()
	actor.write(3000)
	actor.shutdown()
	waitForRetransmission(actor)
	return StateFinWait1, StateEstablished
}

func simultaneousClose(actor, peer *testSocket) (State, State) {
	peer.deafen()
	actor.write(10)
	actor.shutdown()
	peer.shutdown()
	return StateClosing, StateFinWait1
}

func lastAck(actor, peer *testSocket) (State, State) {
	peer.shutdown()
	inState(actor.t, actor.local().Port(), StateCloseWait)
	inState(actor.t, peer.local().Port(), StateFinWait2)
	peer.deafen()
	actor.write(10)
	actor.shutdown()
	return StateLastAck, StateFinWait2
}

func urgentData(actor, peer *testSocket) (State, State) {
	actor.must("MSG_OOB", unix.Sendto(actor.fd, []byte("!"), unix.MSG_OOB, nil))
	actor.write(100)
	return both(StateEstablished)
}

// newConnectionOf makes both ends of a connection in one protocol.
func newConnectionOf(t *testing.T, protocol int) connection {
	t.Helper()
	listener := newTestSocket(t, unix.AF_INET, unix.SOCK_STREAM, protocol).bind("127.0.0.1:0").listen(8)
	client := newTestSocket(t, unix.AF_INET, unix.SOCK_STREAM, protocol).bind("127.0.0.1:0").connect(listener.local())
	return connection{listener: listener, server: listener.accept(), client: client}
}

// TestOriginWhileBusy reads while one byte after the other goes both ways: the
// kernel does not read all counts at one moment, so the origin may be open,
// but must not be wrong.
func TestOriginWhileBusy(t *testing.T) {
	c := newConnection(t)
	for _, s := range []*testSocket{c.server, c.client} {
		s.set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	var group sync.WaitGroup
	stream := func(from, to *testSocket) {
		group.Go(func() {
			for {
				if _, err := unix.Write(from.fd, []byte{1}); err != nil {
					return
				}
			}
		})
		group.Go(func() {
			buffer := make([]byte, 1<<16)
			for {
				if n, err := unix.Read(to.fd, buffer); n <= 0 || err != nil {
					return
				}
			}
		})
	}
	stream(c.client, c.server)
	stream(c.server, c.client)
	open := 0
	for range 300 {
		s := snapshotOfPort(t, TCP, c.server.local().Port()).Sockets
		for _, s := range append(s, snapshotOfPort(t, TCP, c.client.local().Port()).Sockets...) {
			want := OriginAccept
			if s.Local == c.client.local() {
				want = OriginConnect
			}
			if s.State != StateEstablished {
				continue
			}
			if s.Origin == "" {
				open++
			} else if s.Origin != want {
				t.Errorf("%s -> %s has origin %q", s.Local, s.Remote, s.Origin)
			}
		}
	}
	t.Logf("%d of 600 origins were left open", open)
	unix.Shutdown(c.client.fd, unix.SHUT_RDWR)
	unix.Shutdown(c.server.fd, unix.SHUT_RDWR)
	group.Wait()
}
