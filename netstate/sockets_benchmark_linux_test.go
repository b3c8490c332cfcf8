package netstate

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkReadSockets reads from a table of some thousand sockets. What it
// costs to walk over the kernel's hash tables depends on their size, which a
// namespace shares with the whole system.
func BenchmarkReadSockets(b *testing.B) {
	crowded := newTCP4(b).bind("127.0.0.1:0").listen(8)
	// A client's port that the kernel gives out again replaces the TIME_WAIT.
	waiting := make(map[netip.AddrPort]bool)
	for len(waiting) < 5000 {
		client := newTCP4(b).connect(crowded.local())
		waiting[client.local()] = true
		crowded.accept().close()
		client.close()
	}
	quiet := newConnection(b)
	freePort := freePortOf(b)
	b.Run("free port", func(b *testing.B) { benchmarkPort(b, freePort, 0) })
	b.Run("listener and connection", func(b *testing.B) { benchmarkPort(b, quiet.listener.local().Port(), 2) })
	b.Run("5000 TIME_WAIT", func(b *testing.B) { benchmarkPort(b, crowded.local().Port(), len(waiting)+1) })
	b.Run("ephemeral use", func(b *testing.B) {
		for b.Loop() {
			if use := snapshotOf(b, Endpoint{Network: TCP}).Ephemeral; use.Used < 3 {
				b.Fatalf("%+v", use)
			}
		}
	})
}

func benchmarkPort(b *testing.B, port uint16, sockets int) {
	b.ReportAllocs()
	for b.Loop() {
		if got := len(snapshotOfPort(b, TCP, port).Sockets); got != sockets {
			b.Fatalf("%d sockets, want %d", got, sockets)
		}
	}
}

// freePortOf is a port that nobody has.
func freePortOf(b *testing.B) uint16 {
	s := newTestSocket(b, unix.AF_INET6, unix.SOCK_STREAM, 0).bind("[::]:0")
	defer s.close()
	return s.local().Port()
}
