package netstate

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/netlink"
)

// Messages of a little-endian Linux 6.18: a dual-stack listener, the accepted
// end of a connection whose other end was closed, that other end before its
// FIN was acknowledged, a UDP socket, and a TIME_WAIT.
var (
	diagListener  = "0a0a0000b0ab0000000000000000000000000000000000000000000000000000000000000000000000000000bbb300000000000000000000000000000500000000000000a10e7b00" + "050008000000000005000b000000000008000f00000000000c00150001000000000000000600160012000000" + tcpInfoHex("0a")
	diagCloseWait = "02080000ba59c8007f0000010000000000000000000000007f00000100000000000000000000000000000000b9b300000000000000000000010000000000000000000000a00e7b00" + "0500080001000000" + "08000f00000000000c00150001000000000000000600160052000000" + tcpInfoHex("08")
	diagFinWait1  = "02040100c800ba597f0000010000000000000000000000007f00000100000000000000000000000000000000bcb3000000000000cc00000000000000010000000000000000000000" + "0500080003000000" + "08000f00000000000c00150001000000000000000600160052000000" + tcpInfoHex("04")
	diagUDP       = "02070000db5600007f0000010000000000000000000000000000000000000000000000000000000000000000bdb300000000000000000000000000000000000000000000a30e7b00" + "050008000000000008000f00000000000c00150001000000000000000600160050000000"
	diagTimeWait  = "02060300c800ba597f0000010000000000000000000000007f00000100000000000000000000000000000000bcb300000000000060ea000000000000000000000000000000000000"
)

// tcpInfoHex is a struct tcp_info of 280 bytes in an attribute. It has one
// segment in flight in FIN_WAIT1 (04), and nothing else that counts.
func tcpInfoHex(state string) string {
	info := make([]byte, 280)
	hex.Decode(info, []byte(state))
	if state == "04" {
		info[tcpInfoUnackedOffset], info[tcpInfoBytesAckedOffset] = 1, 1
	}
	return "1c010200" + hex.EncodeToString(info)
}

const (
	tcpInfoUnackedOffset    = 24
	tcpInfoBytesAckedOffset = 120
)

func bytesOf(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func interfaceNumber(index uint32) string { return fmt.Sprintf("if%d", index) }

func TestParseInetDiag(t *testing.T) {
	uid, no, yes := uint32(0), false, true
	tests := map[string]struct {
		network Network
		message string
		want    Socket
	}{
		"listener": {TCP, diagListener, Socket{
			Network: TCP, Family: IPv6, Local: netip.MustParseAddrPort("[::]:45227"), State: StateListen,
			UID: &uid, Inode: 8064673, Cookie: 46011, Origin: OriginBind, SendQueue: 5, CgroupID: 1,
			Options: Options{V6Only: &no, FreeBind: &no, Transparent: &no},
		}},
		"close wait": {TCP, diagCloseWait, Socket{
			Network: TCP, Family: IPv4, State: StateCloseWait, Origin: OriginAccept,
			Local: netip.MustParseAddrPort("127.0.0.1:47705"), Remote: netip.MustParseAddrPort("127.0.0.1:51200"),
			UID: &uid, Inode: 8064672, Cookie: 46009, ReceiveQueue: 1, CgroupID: 1,
			Options: Options{FreeBind: &no, Transparent: &no},
		}},
		"FIN in flight": {TCP, diagFinWait1, Socket{
			Network: TCP, Family: IPv4, State: StateFinWait1,
			Local: netip.MustParseAddrPort("127.0.0.1:51200"), Remote: netip.MustParseAddrPort("127.0.0.1:47705"),
			Timer: &Timer{Kind: TimerRetransmit, RemainingMilliseconds: 204},
			UID:   &uid, Cookie: 46012, SendQueue: 1, CgroupID: 1,
			Options: Options{FreeBind: &no, Transparent: &no},
		}},
		"UDP": {UDP, diagUDP, Socket{
			Network: UDP, Family: IPv4, Local: netip.MustParseAddrPort("127.0.0.1:56150"), State: StateUnconnected,
			UID: &uid, Inode: 8064675, Cookie: 46013, CgroupID: 1,
			Options: Options{FreeBind: &no, Transparent: &no},
		}},
		"TIME_WAIT": {TCP, diagTimeWait, Socket{
			Network: TCP, Family: IPv4, State: StateTimeWait,
			Local: netip.MustParseAddrPort("127.0.0.1:51200"), Remote: netip.MustParseAddrPort("127.0.0.1:47705"),
			Timer: &Timer{Kind: TimerTimeWait, RemainingMilliseconds: 60_000}, Cookie: 46012,
		}},
		"unknown attribute": {TCP, diagTimeWait + "0900ff0f0102030405000000" + "05000b0001000000", Socket{
			Network: TCP, Family: IPv4, State: StateTimeWait,
			Local: netip.MustParseAddrPort("127.0.0.1:51200"), Remote: netip.MustParseAddrPort("127.0.0.1:47705"),
			Timer: &Timer{Kind: TimerTimeWait, RemainingMilliseconds: 60_000}, Cookie: 46012,
			Options: Options{V6Only: &yes},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseInetDiag(test.network, bytesOf(t, test.message), interfaceNumber)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Socket, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// changed returns the message with other bytes at an offset.
func changed(t testing.TB, message string, offset int, data ...byte) []byte {
	t.Helper()
	b := bytesOf(t, message)
	copy(b[offset:], data)
	return b
}

func TestParseInetDiagErrors(t *testing.T) {
	tests := map[string]struct {
		message []byte
		want    string
	}{
		"empty":             {nil, "a socket of 0 bytes, short of 72"},
		"short":             {bytesOf(t, diagTimeWait)[:71], "a socket of 71 bytes, short of 72"},
		"unknown family":    {changed(t, diagTimeWait, 0, 9), "a socket of the unknown address family 9"},
		"unknown state":     {changed(t, diagTimeWait, 1, 14), "a socket in the unknown state 14"},
		"state 0":           {changed(t, diagTimeWait, 1, 0), "a socket in the unknown state 0"},
		"cut attribute":     {bytesOf(t, diagTimeWait+"0c001500010000"), "invalid attribute"},
		"cut header":        {bytesOf(t, diagTimeWait+"0c0015"), "invalid attribute"},
		"short IPV6_V6ONLY": {bytesOf(t, diagTimeWait+"04000b00"), "not a uint8"},
		"short cgroup":      {bytesOf(t, diagTimeWait+"0800150001000000"), "not a uint64"},
		"short options":     {bytesOf(t, diagTimeWait+"0500160001000000"), "socket options of 1 bytes, short of 2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseInetDiag(TCP, test.message, interfaceNumber)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestParseInetDiagInterface(t *testing.T) {
	message := changed(t, diagListener, 40, 7)
	copy(message[8:], netip.MustParseAddr("fe80::1").AsSlice())
	got, err := parseInetDiag(TCP, message, interfaceNumber)
	if err != nil {
		t.Fatal(err)
	}
	if want := netip.MustParseAddrPort("[fe80::1%if7]:45227"); got.Device != "if7" || got.Local != want {
		t.Errorf("got %s on %q, want %s on if7", got.Local, got.Device, want)
	}
}

// TestParseInetDiagTimers has the kernel's other timers, and a remaining time
// that an older kernel lets run below zero.
func TestParseInetDiagTimers(t *testing.T) {
	tests := map[byte]*Timer{
		0: nil,
		2: {Kind: TimerKeepalive, RemainingMilliseconds: 204},
		4: {Kind: TimerProbe, RemainingMilliseconds: 204},
		5: nil,
	}
	for number, want := range tests {
		got, err := parseInetDiag(TCP, changed(t, diagFinWait1, 2, number), interfaceNumber)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Timer); diff != "" {
			t.Errorf("timer %d (-want +got):\n%s", number, diff)
		}
	}
	got, err := parseInetDiag(TCP, changed(t, diagFinWait1, 52, 0xff, 0xff, 0xff, 0xff), interfaceNumber)
	if err != nil || got.Timer.RemainingMilliseconds != 0 {
		t.Errorf("remaining %+v (%v), want 0", got.Timer, err)
	}
}

func TestTCPCountsOrigin(t *testing.T) {
	tests := map[string]struct {
		state  State
		counts tcpCounts
		want   Origin
	}{
		"accepted":                      {StateEstablished, tcpCounts{}, OriginAccept},
		"opened":                        {StateEstablished, tcpCounts{bytesAcked: 1}, OriginConnect},
		"opened, data":                  {StateEstablished, tcpCounts{bytesAcked: 6, bytesSent: 5}, OriginConnect},
		"accepted, data":                {StateEstablished, tcpCounts{bytesAcked: 3, bytesSent: 3}, OriginAccept},
		"data sent twice":               {StateEstablished, tcpCounts{bytesAcked: 4, bytesSent: 6, bytesRetrans: 3}, OriginConnect},
		"data in flight":                {StateEstablished, tcpCounts{bytesAcked: 1, bytesSent: 9, sendQueue: 9, unacked: 1}, OriginConnect},
		"data in flight and more":       {StateEstablished, tcpCounts{bytesSent: 9, sendQueue: 29, notSent: 20, unacked: 1}, OriginAccept},
		"FIN acknowledged":              {StateFinWait2, tcpCounts{bytesAcked: 1}, OriginAccept},
		"opened, FIN acknowledged":      {StateFinWait2, tcpCounts{bytesAcked: 2}, OriginConnect},
		"opened, FIN in flight":         {StateLastAck, tcpCounts{bytesAcked: 1, sendQueue: 1, unacked: 1}, OriginConnect},
		"FIN in flight":                 {StateClosing, tcpCounts{sendQueue: 1, unacked: 1}, OriginAccept},
		"opened, FIN behind data":       {StateFinWait1, tcpCounts{bytesAcked: 4, bytesSent: 3, sendQueue: 9, notSent: 9}, OriginConnect},
		"a failed transmission":         {StateEstablished, tcpCounts{bytesAcked: 1, bytesSent: 100}, ""},
		"two numbers too many":          {StateEstablished, tcpCounts{bytesAcked: 2}, ""},
		"a count that is not there yet": {StateEstablished, tcpCounts{bytesAcked: 1 << 63, bytesSent: 3}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.counts.origin(test.state); got != test.want {
				t.Errorf("%+v: %q, want %q", test.counts, got, test.want)
			}
		})
	}
}

// TestTCPInfoOfOlderKernel: a shorter struct tells nothing and is no error.
func TestTCPInfoOfOlderKernel(t *testing.T) {
	data := bytesOf(t, diagCloseWait)
	data = data[:len(data)-280+tcpInfoLength-8]
	binary.NativeEndian.PutUint16(data[len(data)-tcpInfoLength+8-4:], tcpInfoLength-8+4)
	got, err := parseInetDiag(TCP, data, interfaceNumber)
	if err != nil || got.Origin != "" || got.State != StateCloseWait {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestRequests pins the requests, as a little-endian machine writes them.
func TestRequests(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes below are those of a little-endian machine")
	}
	ports := portSet{{5188, 5190}}
	filter := "1400" + "0100" + "02081400" + "00004414" + "03080c00" + "00004614"
	tests := map[string]struct {
		message netlink.Message
		want    string
		kind    netlink.HeaderType
		flags   netlink.HeaderFlags
	}{
		"TCP": {tcpDump(diagStatesAll, extensionInfo, ports),
			"00000002" + strings.Repeat("00", 48) + "fe3f0000" + "00000000" + filter, 18, netlink.Request | netlink.Dump},
		"TCP listeners": {tcpDump(diagStateListen, 0, ports),
			strings.Repeat("00", 52) + "00040000" + "00000000" + filter, 18, netlink.Request | netlink.Dump},
		"UDP": {udpDump(linuxAFInet6, ports),
			"0a110000" + "fe3f0000" + strings.Repeat("00", 48) + filter, 20, netlink.Request | netlink.Dump},
		"look-up": {tcpLookup(netip.MustParseAddrPort("[::ffff:127.0.0.1]:80"), netip.MustParseAddrPort("127.0.0.2:5188"), 3),
			"02060200" + "fe3f0000" + "00501444" + "7f000001" + strings.Repeat("00", 12) + "7f000002" + strings.Repeat("00", 12) +
				"03000000" + "ffffffffffffffff", 20, netlink.Request},
		"look-up of IPv6": {tcpLookup(netip.MustParseAddrPort("[::1]:80"), netip.MustParseAddrPort("[fe80::2%lo]:5188"), 0),
			"0a060200" + "fe3f0000" + "00501444" + strings.Repeat("00", 15) + "01" + "fe80" + strings.Repeat("00", 13) + "02" +
				"00000000" + "ffffffffffffffff", 20, netlink.Request},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := hex.EncodeToString(test.message.Data); got != test.want {
				t.Errorf("data\n%s, want\n%s", got, test.want)
			}
			if h := test.message.Header; h.Type != test.kind || h.Flags != test.flags {
				t.Errorf("type %d, flags %s; want %d, %s", h.Type, h.Flags, test.kind, test.flags)
			}
		})
	}
}

func FuzzParseInetDiag(f *testing.F) {
	for _, message := range []string{diagListener, diagCloseWait, diagFinWait1, diagUDP, diagTimeWait} {
		f.Add(bytesOf(f, message), message == diagUDP)
	}
	f.Fuzz(func(t *testing.T, data []byte, udp bool) {
		network := TCP
		if udp {
			network = UDP
		}
		before := slices.Clone(data)
		s, err := parseInetDiag(network, data, interfaceNumber)
		if !slices.Equal(before, data) {
			t.Error("the message was changed")
		}
		if err != nil {
			return
		}
		if s.State == "" || s.Network != network || !s.Local.IsValid() || (s.Family == IPv4) != s.Local.Addr().Is4() {
			t.Errorf("%x: %+v", data, s)
		}
		if s.Timer != nil && s.Timer.RemainingMilliseconds < 0 {
			t.Errorf("%x: timer %+v", data, s.Timer)
		}
	})
}
