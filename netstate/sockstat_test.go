package netstate

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestDecodeSockstatCaptures(t *testing.T) {
	own := func(pid, fd int) []Owner { return []Owner{{PID: pid, FDs: []int{fd}}} }
	listener := func(number uint64, family Family, local string, only *bool, owners []Owner) Socket {
		return Socket{Network: TCP, Family: family, Local: endpoint(local), State: StateListen, Inode: number,
			Options: Options{V6Only: only}, Origin: OriginBind, Owners: owners}
	}
	receiver := func(number uint64, family Family, local string, owners []Owner) Socket {
		return Socket{Network: UDP, Family: family, Local: endpoint(local), State: StateUnconnected, Inode: number, Owners: owners}
	}
	tests := map[string]struct {
		stated bool
		want   []Socket
	}{
		"sockstat-46-s_14.4.txt": {true, []Socket{
			{Network: TCP, Family: IPv4, Local: endpoint("10.45.1.14:22"), Remote: endpoint("97.115.90.143:61073"),
				State: StateEstablished, Inode: 1, Owners: own(10356, 7)},
			listener(2, IPv6, "[::]:22", new(true), own(1718, 6)),
			listener(3, IPv4, "0.0.0.0:22", nil, own(1718, 7)),
			receiver(4, IPv4, "0.0.0.0:123", own(1666, 21)),
			receiver(5, IPv4, "10.45.1.14:123", own(1666, 22)),
			receiver(6, IPv6, "[::1]:123", own(1666, 23)),
			receiver(7, IPv6, "[fe80::1%lo0]:123", own(1666, 24)),
		}},
		"sockstat-4l.txt": {false, []Socket{
			listener(1, IPv4, "127.0.0.1:5910", nil, own(2585, 4)),
			listener(2, IPv6, "[::]:3389", new(false), own(2580, 13)),
			listener(3, IPv4, "0.0.0.0:5901", nil, own(2016, 5)),
			listener(4, IPv4, "0.0.0.0:22", nil, own(1164, 4)),
			receiver(5, IPv4, "0.0.0.0:123", own(1127, 21)),
			receiver(6, IPv4, "127.0.0.1:123", own(1127, 24)),
			receiver(7, IPv4, "192.168.31.187:123", own(1127, 26)),
			receiver(8, IPv4, "0.0.0.0:514", own(1021, 7)),
		}},
		"sockstat_ownerless.txt": {false, []Socket{
			listener(1, IPv4, "0.0.0.0:2049", nil, own(52019, 5)),
			{Network: TCP, Family: IPv4, Local: endpoint("10.234.6.111:2049"), Remote: endpoint("10.234.6.44:793"), State: StateEstablished},
		}},
		"sockstat_ownerless_listeners.txt": {false, []Socket{
			listener(1, IPv6, "[::]:664", new(true), own(1630, 5)),
			listener(2, IPv4, "0.0.0.0:664", nil, own(1630, 7)),
			listener(3, IPv4, "0.0.0.0:2049", nil, own(1618, 5)),
			listener(4, IPv6, "[::]:2049", new(true), own(1618, 6)),
			listener(5, IPv6, "[::]:792", new(true), own(1604, 6)),
			listener(6, IPv4, "0.0.0.0:792", nil, own(1604, 8)),
			listener(7, IPv6, "[::]:111", new(true), own(1600, 8)),
			listener(8, IPv4, "0.0.0.0:111", nil, own(1600, 11)),
			listener(0, IPv4, "0.0.0.0:895", nil, nil),
			listener(0, IPv6, "[::]:777", new(true), nil),
		}},
	}
	for _, name := range captures(t, "freebsd/sockstat*") {
		test, ok := tests[filepath.Base(name)]
		if !ok {
			t.Errorf("%s has no case", name)
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, stated, err := decodeSockstat(string(text))
		if err != nil || stated != test.stated {
			t.Errorf("%s: states %t, error %v", name, stated, err)
		}
		if diff := cmp.Diff(test.want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// captures lists the files of testdata/captures that fit a pattern, of which
// there must be some.
func captures(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob("../testdata/captures/" + pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d captures, error %v", pattern, len(names), err)
	}
	return names
}

// One socket that processes share has a line for each descriptor, and a
// command may have spaces.
func TestDecodeSockstat(t *testing.T) {
	const text = `USER     COMMAND    PID   FD  PROTO     LOCAL ADDRESS         FOREIGN ADDRESS       PATH STATE   CONN STATE
www      nginx: work 812  6   tcp4      *:80                  *:*                                LISTEN
root     nginx        811 6   tcp4      *:80                  *:*                                LISTEN
root     nginx        811 9   tcp4      *:80                  *:*                                LISTEN
?        ?          ?     ?   tcp4      10.0.0.1:80           10.0.0.2:4000                      TIME_WAIT
?        ?          ?     ?   tcp6      ::1:80                ::1:4000                           FIN_WAIT_2
www      php fpm 8    900 3   toe46     *:9000                *:*                                CLOSED
root     named       700  8   sctp4     *:53                  *:*                                LISTEN
www      app         901  4   udp4      10.0.0.1:53           10.0.0.2:53
`
	got, stated, err := decodeSockstat(text)
	want := []Socket{
		{Network: TCP, Family: IPv4, Local: endpoint("0.0.0.0:80"), State: StateListen, Inode: 1, Origin: OriginBind,
			Owners: []Owner{{PID: 811, FDs: []int{6, 9}}, {PID: 812, FDs: []int{6}}}},
		{Network: TCP, Family: IPv4, Local: endpoint("10.0.0.1:80"), Remote: endpoint("10.0.0.2:4000"), State: StateTimeWait},
		{Network: TCP, Family: IPv6, Local: endpoint("[::1]:80"), Remote: endpoint("[::1]:4000"), State: StateFinWait2},
		{Network: TCP, Family: IPv6, Local: endpoint("[::]:9000"), State: StateBound, Inode: 4, Origin: OriginBind,
			Options: Options{V6Only: new(false)}, Owners: []Owner{{PID: 900, FDs: []int{3}}}},
		{Network: UDP, Family: IPv4, Local: endpoint("10.0.0.1:53"), Remote: endpoint("10.0.0.2:53"), State: StateEstablished,
			Inode: 5, Owners: []Owner{{PID: 901, FDs: []int{4}}}},
	}
	if err != nil || !stated {
		t.Errorf("states %t, error %v", stated, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestDecodeSockstatOfNetstat: what netstat prints looks much the same, and is
// refused rather than half understood.
func TestDecodeSockstatOfNetstat(t *testing.T) {
	for _, name := range []string{"netstat-an_11.txt", "netstat-an-p-tcp_15_format.txt"} {
		text, err := os.ReadFile(filepath.Join("..", "testdata", "captures", "freebsd", name))
		if err != nil {
			t.Fatal(err)
		}
		if sockets, _, err := decodeSockstat(string(text)); !errors.Is(err, errNotUnderstood) {
			t.Errorf("%s: %d sockets, error %v", name, len(sockets), err)
		}
	}
}

func TestDecodeSockstatErrors(t *testing.T) {
	for _, line := range []string{
		"LISTEN",
		"root sshd 1 3 tcp4 *:22",
		"root sshd 1 3 quic4 *:22 *:*",
		"root sshd one 3 tcp4 *:22 *:*",
		"root sshd 1 -3 tcp4 *:22 *:*",
		"root sshd 1 3 tcp4 22 *:*",
		"root sshd 1 3 tcp4 *:ssh *:*",
		"root sshd 1 3 tcp4 *:70000 *:*",
		"root sshd 1 3 tcp4 ::1:22 *:*",
		"root sshd 1 3 tcp4 nowhere:22 *:*",
		"root sshd 1 3 tcp4 *:22 *:* WAITING",
	} {
		if got, _, err := decodeSockstat(line); !errors.Is(err, errNotUnderstood) || got != nil {
			t.Errorf("%s: %+v, error %v", line, got, err)
		}
	}
}

func TestSockstatLimits(t *testing.T) {
	for network, want := range map[Network]int{TCP: 4, UDP: 2} {
		limits := sockstatLimits(network, false, errLayout)
		if len(limits) != want {
			t.Errorf("%s: %+v", network, limits)
		}
		for _, l := range limits {
			if l.Kind != LimitSource || !strings.Contains(l.Why, errLayout.Error()) || l.What == "" {
				t.Errorf("%s: %+v", network, l)
			}
		}
	}
}

func FuzzDecodeSockstat(f *testing.F) {
	f.Add("root sshd 1718 7 tcp4 *:22 *:* LISTEN\n? ? ? ? tcp46 *:80 *:*\n")
	f.Add("www a b 1 2 udp6 [fe80::1%lo0]:123 *:*\n")
	f.Fuzz(func(t *testing.T, text string) {
		sockets, _, err := decodeSockstat(text)
		if err != nil && sockets != nil {
			t.Errorf("%d sockets and an error", len(sockets))
		}
		for _, s := range sockets {
			if err := s.check(); err != nil || s.State == "" || !s.Local.IsValid() {
				t.Errorf("%+v: %v", s, err)
			}
		}
	})
}
