package diagnose_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// manySockets is a snapshot of a busy server: connections of which one in
// spread has the port 8080.
func manySockets(count, spread int) *netstate.Snapshot {
	s := &netstate.Snapshot{
		Schema: netstate.SnapshotSchema, Host: netstate.Host{OS: "linux"},
		Query:  netstate.Query{Endpoints: []netstate.Endpoint{{Network: netstate.TCP, Port: 8080}}},
		Policy: netstate.Policy{UID: new(uint32(0)), BindPrivileged: new(true), IPv4: new(true), IPv6: new(true)},
	}
	for i := range count {
		s.Sockets = append(s.Sockets, netstate.Socket{
			Network: netstate.TCP, Family: netstate.IPv4, State: netstate.StateTimeWait,
			Local:   netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(8080+i%spread)),
			Remote:  netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(i)),
			Options: netstate.Options{ReuseAddr: new(true), ReusePort: new(i%3 == 0)},
		})
	}
	return s
}

var manyRequest = netstate.BindRequest{Network: netstate.TCP, Address: netip.IPv4Unspecified(), Port: 8080, ReusePort: true}

// BenchmarkPredict has 100,000 sockets; in the worst case all on one port.
func BenchmarkPredict(b *testing.B) {
	for _, spread := range []int{1, 1000} {
		s := manySockets(100_000, spread)
		b.Run(fmt.Sprintf("%d-on-the-port", 100_000/spread), func(b *testing.B) {
			for b.Loop() {
				if p := diagnose.Predict(s, manyRequest); p.Bind != "EADDRINUSE" && p.Bind != diagnose.ResultUnknown {
					b.Fatal(p)
				}
			}
		})
	}
}

// TestPredictIsFast: a prediction from 100,000 sockets takes 5 ms at most. A
// busy machine may be slow for a while, not every time.
func TestPredictIsFast(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes everything slower")
	}
	s := manySockets(100_000, 10)
	const limit = 5 * time.Millisecond
	best := time.Hour
	for range 20 {
		began := time.Now()
		diagnose.Predict(s, manyRequest)
		best = min(best, time.Since(began))
	}
	t.Logf("%s", best)
	if best > limit {
		t.Errorf("it takes %s, more than %s", best, limit)
	}
}
