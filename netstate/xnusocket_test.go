package netstate

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSelectSockets(t *testing.T) {
	row := func(local, remote string, state State, open bool) xnuSocket {
		s := xnuSocket{open: open, Socket: Socket{Network: TCP, Local: netip.MustParseAddrPort(local), State: state}}
		if remote != "" {
			s.Remote = netip.MustParseAddrPort(remote)
		}
		return s
	}
	listener := row("[::]:5188", "", StateListen, true)
	orphan := row("[::ffff:127.0.0.1]:5188", "[::ffff:127.0.0.1]:50000", StateFinWait2, false)
	peer := row("127.0.0.1:50000", "127.0.0.1:5188", StateCloseWait, true)
	held := row("127.0.0.1:5188", "127.0.0.1:50001", StateFinWait2, true)
	remote := row("192.0.2.1:50002", "192.0.2.9:5188", StateEstablished, true)
	table := []xnuSocket{peer, listener, row("127.0.0.1:50001", "127.0.0.1:5188", StateCloseWait, true), orphan, held, remote,
		row("127.0.0.1:50003", "127.0.0.1:5188", StateTimeWait, false)}
	asked, peers := selectSockets(table, newPortSet([]PortRange{{5188, 5188}}))
	if diff := cmp.Diff([]xnuSocket{listener, orphan, held}, asked, socketFields...); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]xnuSocket{peer}, peers, socketFields...); diff != "" {
		t.Errorf("peers (-want +got):\n%s", diff)
	}
}

func TestNumberSockets(t *testing.T) {
	rows := []xnuSocket{{open: true, Socket: Socket{Inode: 5007}}, {}, {open: true}, {open: true}}
	numberSockets(rows)
	var got []uint64
	for _, s := range rows {
		got = append(got, s.Inode)
	}
	if diff := cmp.Diff([]uint64{5007, 0, 3, 4}, got); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
}
