package netstate

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const netstatHeader = "Active Internet connections (including servers)\n" +
	"Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)     rhiwat shiwat    pid   epid  state    options\n"

func TestParseNetstat(t *testing.T) {
	at := netip.MustParseAddrPort
	yes, no := new(true), new(false)
	neither := Options{ReuseAddr: no, ReusePort: no}
	tests := map[string]struct {
		row  string
		want xnuSocket
	}{
		"not cut": {"tcp6 0 0 2600:1700:5610:3:1:2:3:4.50624 2600:1900:4110::8.80 SYN_SENT 131072 131072 35474 0 0x0104 0x00000008",
			xnuSocket{open: true, Socket: Socket{Family: IPv6, Local: at("[2600:1700:5610:3:1:2:3:4]:50624"), Remote: at("[2600:1900:4110::8]:80"),
				State: StateSynSent, LastPID: 35474, Options: neither, Origin: OriginConnect}}},
		"zone": {"tcp6 1 2 fe80::1%lo0.5353 fe80::2%lo0.1024 CLOSE_WAIT 1 2 7 0 0x0122 0x00000204",
			xnuSocket{open: true, Socket: Socket{Family: IPv6, Local: at("[fe80::1%lo0]:5353"), Remote: at("[fe80::2%lo0]:1024"),
				State: StateCloseWait, LastPID: 7, Options: Options{ReuseAddr: yes, ReusePort: yes}, ReceiveQueue: 1, SendQueue: 2}}},
		"IPv6 only": {"tcp6 0 0 *.80 *.* LISTEN 1 2 7 0 0x0100 0x00000006",
			xnuSocket{open: true, Socket: Socket{Family: IPv6, Local: at("[::]:80"), State: StateListen, LastPID: 7,
				Options: Options{ReuseAddr: yes, ReusePort: no, V6Only: yes}, Origin: OriginBind}}},
		"bound": {"tcp4 0 0 127.0.0.1.80 *.* CLOSED 1 2 7 0 0x0000 0x00000000",
			xnuSocket{open: true, Socket: Socket{Family: IPv4, Local: at("127.0.0.1:80"), State: StateBound, LastPID: 7, Options: neither, Origin: OriginBind}}},
		"nobody's": {"tcp4 0 0 127.0.0.1.80 127.0.0.1.50000 TIME_WAIT 1 2 0 0 0x2131 0x00000004",
			xnuSocket{Socket: Socket{Family: IPv4, Local: at("127.0.0.1:80"), Remote: at("127.0.0.1:50000"), State: StateTimeWait,
				Options: Options{ReuseAddr: yes, ReusePort: no}}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.want.Network = TCP
			got, err := parseNetstat(TCP, netstatHeader+test.row+"\n")
			if diff := cmp.Diff([]xnuSocket{test.want}, got, socketFields...); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestParseNetstatUDP: there is a column for the state, and nothing in it.
func TestParseNetstatUDP(t *testing.T) {
	text := "Active Internet connections (including servers)\n" +
		"Proto Recv-Q Send-Q  Local Address  Foreign Address  (state)  rxbytes  txbytes  rhiwat  shiwat  process:pid  state  options  gencnt  flags  flags1  usecnt  rtncnt  fltrs\n" +
		"udp46      0      0  *.5353         *.*                             0        0  786896    9216  mDNS Responder x:345  00100 00000204 000000000000abcd 00000000 00000800 1 0 000000\n" +
		"udp4       0      0  192.0.2.1.123  192.0.2.9.123                   0        0  786896    9216  timed:99  00102 00000000 000000000000abce 00000000 00000800 1 0 000000\n" +
		"udp4       0      0  *.*            *.*                             0        0  786896    9216  idle:98  00100 00000000 000000000000abcf 00000000 00000800 1 0 000000\n"
	got, err := parseNetstat(UDP, text)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d sockets: %v", len(got), err)
	}
	first, second := got[0], got[1]
	if first.State != StateUnconnected || first.LastPID != 345 || first.Inode != 0xabcd || !*first.Options.ReusePort || *first.Options.V6Only {
		t.Errorf("unconnected: %+v", first)
	}
	if second.State != StateEstablished || second.LastPID != 99 || second.Family != IPv4 {
		t.Errorf("connected: %+v", second)
	}
}

// TestParseNetstatErrors: a table that can't be read whole is never taken for
// one with fewer sockets.
func TestParseNetstatErrors(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":         "",
		"no header":       "tcp4 0 0 *.80 *.* LISTEN\n",
		"cut address":     netstatHeader + "tcp6 0 0 2600:1700:5610:3.50624 *.* LISTEN 1 2 7 0 0x0100 0x00000006\n",
		"unknown state":   netstatHeader + "tcp4 0 0 *.80 *.* LISTENING 1 2 7 0 0x0100 0x00000006\n",
		"cut row":         netstatHeader + "tcp4 0 0 *.80 *.* LISTEN 1 2 7\n",
		"no address":      netstatHeader + "tcp4 0 0 *.80\n",
		"another family":  netstatHeader + "tcp4 0 0 ::1.80 *.* LISTEN 1 2 7 0 0x0100 0x00000006\n",
		"port":            netstatHeader + "tcp4 0 0 *.99999 *.* LISTEN 1 2 7 0 0x0100 0x00000006\n",
		"names for ports": netstatHeader + "tcp4 0 0 *.http *.* LISTEN 1 2 7 0 0x0100 0x00000006\n",
		"bits":            netstatHeader + "tcp4 0 0 *.80 *.* LISTEN 1 2 7 0 state 0x00000006\n",
		"process":         netstatHeader + "tcp4 0 0 *.80 *.* LISTEN 1 2 - 0 0x0100 0x00000006\n",
		"protocol":        netstatHeader + "tcp9 0 0 *.80 *.* LISTEN 1 2 7 0 0x0100 0x00000006\n",
	} {
		if got, err := parseNetstat(TCP, text); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzParseNetstat(f *testing.F) {
	for _, name := range []string{
		"netstat-anv-p-tcp_macos26.txt", "netstat-anv_spaces-timewait-truncated6.txt", "netstat-anv_finwait2_closewait.txt",
	} {
		f.Add(readCapture(f, name))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, network := range []Network{TCP, UDP} {
			sockets, err := parseNetstat(network, text)
			if err == nil && !strings.Contains(text, "Proto") {
				t.Error("a table without a header")
			}
			for _, s := range sockets {
				if s.State == "" || s.Local.Port() == 0 || !s.Local.IsValid() || (s.Family == IPv4) != s.Local.Addr().Is4() {
					t.Errorf("half a socket: %+v", s)
				}
				if err := s.check(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
