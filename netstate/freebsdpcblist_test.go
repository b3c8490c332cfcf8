package netstate

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// pcb is one record of a list, made by its documented layout.
type pcb struct {
	state, twoMSL         uint32
	socket, generation    uint64
	family, uid           uint32
	options, bits         uint16
	flags                 uint32
	versions              byte
	local, remote         netip.AddrPort
	queue, limit, in, out uint32
	scope                 byte
}

// record is a struct xinpcb, or a struct xtcpcb around it.
func (p pcb) record(network Network) []byte {
	record := make([]byte, xinpcbLength)
	inner := record
	if network == TCP {
		record = make([]byte, xtcpcbLength)
		binary.NativeEndian.PutUint32(record[568:], p.state)
		binary.NativeEndian.PutUint32(record[604:], p.twoMSL)
		inner = record[8 : 8+xinpcbLength]
	}
	binary.NativeEndian.PutUint64(inner, xinpcbLength)
	binary.NativeEndian.PutUint64(record, uint64(len(record)))
	if p.socket != 0 {
		binary.NativeEndian.PutUint64(inner[16:], p.socket)
		binary.NativeEndian.PutUint32(inner[108:], p.family)
		binary.NativeEndian.PutUint32(inner[112:], p.queue)
		binary.NativeEndian.PutUint32(inner[120:], p.limit)
		binary.NativeEndian.PutUint32(inner[128:], p.uid)
		binary.NativeEndian.PutUint16(inner[166:], p.options)
		binary.NativeEndian.PutUint16(inner[170:], p.bits)
		binary.NativeEndian.PutUint32(inner[176:], p.in)
		binary.NativeEndian.PutUint32(inner[212:], p.out)
	}
	p.putAddress(inner[272:], inner[254:], p.local)
	p.putAddress(inner[256:], inner[252:], p.remote)
	binary.NativeEndian.PutUint64(inner[296:], p.generation)
	binary.NativeEndian.PutUint32(inner[356:], p.flags)
	inner[392] = p.versions
	return record
}

func (p pcb) putAddress(at, port []byte, address netip.AddrPort) {
	binary.BigEndian.PutUint16(port, address.Port())
	switch a := address.Addr(); {
	case a.Is4():
		copy(at[12:], a.AsSlice())
	case a.Is6():
		copy(at, a.AsSlice())
		at[3] |= p.scope
	}
}

// freebsdPCBList is a whole list.
func freebsdPCBList(network Network, pcbs ...pcb) []byte {
	end := make([]byte, xinpgenLength)
	binary.NativeEndian.PutUint64(end, xinpgenLength)
	list := append([]byte(nil), end...)
	for _, p := range pcbs {
		list = append(list, p.record(network)...)
	}
	return append(list, end...)
}

func endpoint(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

func TestDecodeFreeBSDPCBs(t *testing.T) {
	const inet, inet6 = 2, 28
	options := func(reuseAddr, reusePort bool) Options {
		return Options{ReuseAddr: &reuseAddr, ReusePort: &reusePort}
	}
	v6 := func(o Options, only bool) Options { o.V6Only = &only; return o }
	tests := map[string]struct {
		network Network
		pcb     pcb
		want    Socket
	}{
		"listener": {TCP,
			pcb{state: 1, socket: 0xfffff801, generation: 9, family: inet, uid: 80, options: 0x4 | 0x2, versions: 1,
				local: endpoint("127.0.0.1:8080"), queue: 3, limit: 128},
			Socket{Family: IPv4, Local: endpoint("127.0.0.1:8080"), State: StateListen, UID: new(uint32(80)), Inode: 9, Cookie: 9,
				Options: options(true, false), Origin: OriginBind, ReceiveQueue: 3, SendQueue: 128}},
		"dual-stack listener": {TCP,
			pcb{state: 1, socket: 1, generation: 10, family: inet6, options: 0x204, versions: 3, local: endpoint("[::]:80")},
			Socket{Family: IPv6, Local: endpoint("[::]:80"), State: StateListen, UID: new(uint32(0)), Inode: 10, Cookie: 10,
				Options: v6(options(true, true), false), Origin: OriginBind}},
		"IPv6 listener": {TCP,
			pcb{state: 1, socket: 1, generation: 11, family: inet6, flags: 0x8000, versions: 2, local: endpoint("[::]:80")},
			Socket{Family: IPv6, Local: endpoint("[::]:80"), State: StateListen, UID: new(uint32(0)), Inode: 11, Cookie: 11,
				Options: v6(options(false, false), true), Origin: OriginBind}},
		"IPv4 connection of a dual-stack listener": {TCP,
			pcb{state: 4, socket: 2, generation: 12, family: inet6, versions: 1,
				local: endpoint("10.0.0.1:80"), remote: endpoint("10.0.0.2:4000"), in: 7, out: 8},
			Socket{Family: IPv6, Local: endpoint("[::ffff:10.0.0.1]:80"), Remote: endpoint("[::ffff:10.0.0.2]:4000"), State: StateEstablished,
				UID: new(uint32(0)), Inode: 12, Cookie: 12, Options: v6(options(false, false), false), ReceiveQueue: 7, SendQueue: 8}},
		"bound": {TCP,
			pcb{state: 0, socket: 2, generation: 13, family: inet, versions: 1, local: endpoint("0.0.0.0:81")},
			Socket{Family: IPv4, Local: endpoint("0.0.0.0:81"), State: StateBound, UID: new(uint32(0)), Inode: 13, Cookie: 13,
				Options: options(false, false), Origin: OriginBind}},
		"TIME_WAIT": {TCP,
			pcb{state: 10, twoMSL: 41_250, socket: 3, generation: 14, family: inet, options: 0x4, versions: 1, flags: 0x0800_0000,
				local: endpoint("127.0.0.1:80"), remote: endpoint("127.0.0.1:4000")},
			Socket{Family: IPv4, Local: endpoint("127.0.0.1:80"), Remote: endpoint("127.0.0.1:4000"), State: StateTimeWait,
				UID: new(uint32(0)), Cookie: 14, Options: options(true, false),
				Timer: &Timer{Kind: TimerTimeWait, RemainingMilliseconds: 41_250}}},
		"TIME_WAIT before FreeBSD 14": {TCP,
			pcb{state: 10, generation: 15, versions: 2, flags: 0x0100_0000, local: endpoint("[::1]:80"), remote: endpoint("[::1]:4000")},
			Socket{Family: IPv6, Local: endpoint("[::1]:80"), Remote: endpoint("[::1]:4000"), State: StateTimeWait, Cookie: 15,
				Options: Options{V6Only: new(false)}}},
		"closed, waits for the peer": {TCP,
			pcb{state: 9, twoMSL: 3000, socket: 4, generation: 16, family: inet, versions: 1, flags: 0x0800_0000,
				local: endpoint("127.0.0.1:80"), remote: endpoint("127.0.0.1:4000")},
			Socket{Family: IPv4, Local: endpoint("127.0.0.1:80"), Remote: endpoint("127.0.0.1:4000"), State: StateFinWait2,
				UID: new(uint32(0)), Cookie: 16, Options: options(false, false)}},
		"not accepted yet": {TCP,
			pcb{state: 4, socket: 5, generation: 17, family: inet, bits: 0x1000, versions: 1,
				local: endpoint("127.0.0.1:80"), remote: endpoint("127.0.0.1:4000")},
			Socket{Family: IPv4, Local: endpoint("127.0.0.1:80"), Remote: endpoint("127.0.0.1:4000"), State: StateEstablished,
				UID: new(uint32(0)), Cookie: 17, Options: options(false, false)}},
		"request": {TCP,
			pcb{state: 3, versions: 1, local: endpoint("127.0.0.1:80"), remote: endpoint("127.0.0.1:4000")},
			Socket{Family: IPv4, Local: endpoint("127.0.0.1:80"), Remote: endpoint("127.0.0.1:4000"), State: StateSynRecv, Origin: OriginAccept}},
		"link-local": {UDP,
			pcb{socket: 6, generation: 18, family: inet6, versions: 2, local: endpoint("[fe80::1]:123"), scope: 2},
			Socket{Family: IPv6, Local: endpoint("[fe80::1%em2]:123"), State: StateUnconnected, UID: new(uint32(0)), Inode: 18, Cookie: 18,
				Options: v6(options(false, false), false)}},
		"connected UDP": {UDP,
			pcb{socket: 7, generation: 19, family: inet, versions: 1, local: endpoint("10.0.0.1:53"), remote: endpoint("10.0.0.2:53")},
			Socket{Family: IPv4, Local: endpoint("10.0.0.1:53"), Remote: endpoint("10.0.0.2:53"), State: StateEstablished,
				UID: new(uint32(0)), Inode: 19, Cookie: 19, Options: options(false, false)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := decodeFreeBSDPCBs(test.network, freebsdPCBList(test.network, test.pcb), func(n uint32) string { return "em" + zoneNumber(n) })
			if err != nil || len(got) != 1 {
				t.Fatalf("%d sockets, error %v", len(got), err)
			}
			test.want.Network = test.network
			if diff := cmp.Diff(test.want, got[0].Socket, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got[0].address != test.pcb.socket {
				t.Errorf("address %x", got[0].address)
			}
		})
	}
}

// A socket that has no port yet, and one that the kernel only has to free,
// keep nobody from binding.
func TestDecodeFreeBSDPCBsWithoutPort(t *testing.T) {
	got, err := decodeFreeBSDPCBs(TCP, freebsdPCBList(TCP,
		pcb{socket: 1, family: 2, versions: 1},
		pcb{socket: 2, family: 2, versions: 1, flags: 0x0400_0000, local: endpoint("127.0.0.1:80")},
	), zoneNumber)
	if err != nil || len(got) != 0 {
		t.Errorf("%+v, error %v", got, err)
	}
}

// A list that was cut off anywhere but between two records, and records of
// another length, are refused.
func TestDecodeFreeBSDPCBsLayout(t *testing.T) {
	for _, network := range []Network{TCP, UDP} {
		listener := pcb{state: 1, socket: 1, family: 2, versions: 1, local: endpoint("127.0.0.1:80")}
		whole := freebsdPCBList(network, listener, listener)
		for n := range whole {
			if got, err := decodeFreeBSDPCBs(network, whole[:n], zoneNumber); !errors.Is(err, errLayout) {
				t.Fatalf("%s: %d of %d bytes: %d sockets, error %v", network, n, len(whole), len(got), err)
			}
		}
		future := make([]byte, 0, len(whole)+16)
		end := whole[:xinpgenLength]
		longer := append(listener.record(network), make([]byte, 8)...)
		binary.NativeEndian.PutUint64(longer, uint64(len(longer)))
		future = append(append(append(future, end...), longer...), end...)
		if _, err := decodeFreeBSDPCBs(network, future, zoneNumber); !errors.Is(err, errLayout) {
			t.Errorf("%s: a longer record: error %v", network, err)
		}
		other := freebsdPCBList(network, listener)
		binary.NativeEndian.PutUint64(other[xinpgenLength:], 8)
		if _, err := decodeFreeBSDPCBs(network, other, zoneNumber); !errors.Is(err, errLayout) {
			t.Errorf("%s: a record of 8 bytes: error %v", network, err)
		}
	}
	unknown := freebsdPCBList(TCP, pcb{state: 11, versions: 1, local: endpoint("127.0.0.1:80")})
	if _, err := decodeFreeBSDPCBs(TCP, unknown, zoneNumber); !errors.Is(err, errLayout) {
		t.Errorf("an unknown state: error %v", err)
	}
}

func FuzzDecodeFreeBSDPCBs(f *testing.F) {
	for _, network := range []Network{TCP, UDP} {
		f.Add(network == TCP, freebsdPCBList(network))
		f.Add(network == TCP, freebsdPCBList(network, pcb{state: 10, twoMSL: 5, socket: 1, versions: 3, local: endpoint("[::1]:80")}))
	}
	f.Fuzz(func(t *testing.T, tcp bool, list []byte) {
		network := UDP
		if tcp {
			network = TCP
		}
		sockets, err := decodeFreeBSDPCBs(network, list, zoneNumber)
		if err != nil && (!errors.Is(err, errLayout) || sockets != nil) {
			t.Errorf("%d sockets, error %v", len(sockets), err)
		}
		for _, s := range sockets {
			if err := s.check(); err != nil || s.Local.Port() == 0 {
				t.Errorf("%+v: %v", s, err)
			}
		}
	})
}
