package netstate

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// pcbOfTest describes a socket as the kernel of macOS lists it.
type pcbOfTest struct {
	local, remote string
	vflag         byte
	flags         uint32
	state         uint32
	options       uint32
	socketState   uint16
	family        uint32
	uid           uint32
	pid           int32
	generation    uint64
	queue         [3]uint16 // so_qlen, so_incqlen, so_qlimit
	waiting       [2]uint32 // bytes received and to send
	// withoutSocket leaves the socket out, flow all but the pid in it, as the
	// kernel does.
	withoutSocket, flow bool
}

// pcbLayout are the lengths of the records that vary.
type pcbLayout struct{ internet, socket, tcp int }

var (
	darwin22 = pcbLayout{104, 104, 204}
	darwin21 = pcbLayout{104, 76, 204}
	// someday is a kernel that has put new fields behind those of today.
	someday = pcbLayout{122, 131, 240}
)

const listGeneration = 1000

// pcbList builds a whole list; TCP if tcp.
func (layout pcbLayout) list(tcp bool, pcbs ...pcbOfTest) []byte {
	end := func(count int) []byte {
		record := make([]byte, pcbGenerationLength)
		binary.LittleEndian.PutUint32(record, pcbGenerationLength)
		binary.LittleEndian.PutUint32(record[4:], uint32(count))
		binary.LittleEndian.PutUint64(record[8:], listGeneration)
		return record
	}
	data := end(len(pcbs))
	for _, p := range pcbs {
		data = append(data, layout.records(tcp, p)...)
	}
	return append(data, end(len(pcbs))...)
}

func (layout pcbLayout) records(tcp bool, p pcbOfTest) []byte {
	var data []byte
	add := func(length int, kind uint32, fill func(record []byte)) {
		record := make([]byte, (length+7)&^7)
		binary.LittleEndian.PutUint32(record, uint32(length))
		binary.LittleEndian.PutUint32(record[4:], kind)
		if fill != nil {
			fill(record)
		}
		data = append(data, record...)
	}
	add(layout.internet, pcbKindInternet, p.internet)
	kinds := []uint32{pcbKindReceiveBuffer, pcbKindSendBuffer}
	if p.withoutSocket {
		add(layout.socket, pcbKindSocket, nil)
		kinds = []uint32{0, 0}
	} else {
		add(layout.socket, pcbKindSocket, func(record []byte) { p.socket(record, layout.socket) })
	}
	for i, kind := range kinds {
		add(32, kind, func(record []byte) { binary.LittleEndian.PutUint32(record[8:], p.waiting[i]) })
	}
	add(136, 0x8, nil)
	if tcp {
		add(layout.tcp, pcbKindTCP, func(record []byte) {
			binary.LittleEndian.PutUint32(record[32:], 0xffff0000) // a timer
			binary.LittleEndian.PutUint32(record[36:], p.state)
		})
	}
	return data
}

func (p pcbOfTest) internet(record []byte) {
	put := func(room []byte, address netip.Addr) {
		if address.Is4() {
			copy(room[12:], address.AsSlice())
		} else {
			copy(room, address.AsSlice())
		}
	}
	local := netip.MustParseAddrPort(p.local)
	put(record[64:80], local.Addr())
	binary.BigEndian.PutUint16(record[18:], local.Port())
	if p.remote != "" {
		remote := netip.MustParseAddrPort(p.remote)
		put(record[48:64], remote.Addr())
		binary.BigEndian.PutUint16(record[16:], remote.Port())
	}
	binary.LittleEndian.PutUint64(record[8:], 0xb10c)
	binary.LittleEndian.PutUint64(record[20:], 0x7cb)
	binary.LittleEndian.PutUint64(record[28:], p.generation)
	binary.LittleEndian.PutUint32(record[36:], p.flags)
	record[44] = p.vflag
}

func (p pcbOfTest) socket(record []byte, length int) {
	binary.LittleEndian.PutUint32(record[68:], uint32(p.pid))
	binary.LittleEndian.PutUint32(record[40:], p.family)
	if p.flow {
		return
	}
	binary.LittleEndian.PutUint64(record[8:], 0x50c)
	binary.LittleEndian.PutUint32(record[20:], p.options)
	binary.LittleEndian.PutUint16(record[26:], p.socketState)
	for i, n := range p.queue {
		binary.LittleEndian.PutUint16(record[44+2*i:], n)
	}
	binary.LittleEndian.PutUint32(record[64:], p.uid)
	if length >= 84 {
		binary.LittleEndian.PutUint64(record[76:], 5000+p.generation)
	}
}

// The sockets of the tests, as tcp_fsm.h numbers the states.
var (
	pcbListener = pcbOfTest{local: "0.0.0.0:5188", vflag: 1, state: 1, options: 0x206, socketState: 0x100, family: 2,
		uid: 501, pid: 4211, generation: 7, queue: [3]uint16{3, 1, 128}}
	pcbDualStack = pcbOfTest{local: "[::]:5188", vflag: 3, state: 1, options: 0x6, family: 30, uid: 501, pid: 4211, generation: 8}
	pcbV6Only    = pcbOfTest{local: "[::]:5188", vflag: 2, state: 1, family: 30, uid: 501, pid: 4211, generation: 9}
	pcbTimeWait  = pcbOfTest{local: "127.0.0.1:5188", remote: "127.0.0.1:50000", vflag: 1, state: 10, options: 0x4,
		socketState: 0x2131, family: 2, uid: 501, pid: 4211, generation: 10}
	pcbMapped = pcbOfTest{local: "127.0.0.1:5188", remote: "127.0.0.1:50001", vflag: 1, state: 4, family: 30, uid: 501,
		pid: 4211, generation: 11, waiting: [2]uint32{24, 5}}
	pcbOutgoing = pcbOfTest{local: "192.0.2.1:50002", remote: "192.0.2.9:443", vflag: 1, flags: xnuAnonymousPort, state: 4,
		family: 2, uid: 501, pid: 4212, generation: 12}
	pcbBound     = pcbOfTest{local: "[fe80:4::1]:5188", vflag: 2, family: 30, uid: 0, pid: 1, generation: 13}
	pcbGone      = pcbOfTest{local: "127.0.0.1:5188", remote: "127.0.0.1:50003", vflag: 1, state: 9, generation: 14, withoutSocket: true}
	pcbFlow      = pcbOfTest{local: "192.0.2.1:5188", remote: "192.0.2.9:443", vflag: 1, state: 4, family: 2, pid: 77, flow: true}
	pcbQueued    = pcbOfTest{local: "127.0.0.1:5188", remote: "127.0.0.1:50004", vflag: 1, state: 3, socketState: 0x801, family: 2, uid: 501, pid: 4211, generation: 15}
	pcbYoung     = pcbOfTest{local: "127.0.0.1:5188", vflag: 1, state: 1, generation: listGeneration + 1}
	pcbUnbound   = pcbOfTest{local: "0.0.0.0:0", vflag: 1, generation: 16}
	allPCBs      = []pcbOfTest{pcbListener, pcbDualStack, pcbTimeWait, pcbGone, pcbMapped, pcbYoung, pcbFlow, pcbUnbound, pcbBound}
	socketFields = []cmp.Option{cmp.AllowUnexported(xnuSocket{}), cmpopts.EquateComparable(netip.AddrPort{})}
)

func TestParsePCBList(t *testing.T) {
	uid, root := new(uint32(501)), new(uint32(0))
	yes, no := new(true), new(false)
	neither := Options{ReuseAddr: no, ReusePort: no}
	at := netip.MustParseAddrPort
	tests := map[string]struct {
		pcb  pcbOfTest
		want Socket
		open bool
	}{
		"listener": {pcbListener, Socket{Family: IPv4, Local: at("0.0.0.0:5188"), State: StateListen, UID: uid, LastPID: 4211,
			Inode: 5007, Cookie: 7, Options: Options{ReuseAddr: yes, ReusePort: yes}, Origin: OriginBind, ReceiveQueue: 2, SendQueue: 128}, true},
		"dual-stack": {pcbDualStack, Socket{Family: IPv6, Local: at("[::]:5188"), State: StateListen, UID: uid, LastPID: 4211,
			Inode: 5008, Cookie: 8, Options: Options{ReuseAddr: yes, ReusePort: no, V6Only: no}, Origin: OriginBind}, true},
		"IPv6 only": {pcbV6Only, Socket{Family: IPv6, Local: at("[::]:5188"), State: StateListen, UID: uid, LastPID: 4211,
			Inode: 5009, Cookie: 9, Options: Options{ReuseAddr: no, ReusePort: no, V6Only: yes}, Origin: OriginBind}, true},
		"TIME_WAIT": {pcbTimeWait, Socket{Family: IPv4, Local: at("127.0.0.1:5188"), Remote: at("127.0.0.1:50000"), State: StateTimeWait,
			UID: uid, LastPID: 4211, Cookie: 10, Options: Options{ReuseAddr: yes, ReusePort: no}}, false},
		"IPv4 connection of an IPv6 socket": {pcbMapped, Socket{Family: IPv6, Local: at("[::ffff:127.0.0.1]:5188"), Remote: at("[::ffff:127.0.0.1]:50001"),
			State: StateEstablished, UID: uid, LastPID: 4211, Inode: 5011, Cookie: 11, Options: neither, ReceiveQueue: 24, SendQueue: 5}, true},
		"outgoing": {pcbOutgoing, Socket{Family: IPv4, Local: at("192.0.2.1:50002"), Remote: at("192.0.2.9:443"), State: StateEstablished,
			UID: uid, LastPID: 4212, Inode: 5012, Cookie: 12, Options: neither, Origin: OriginConnect}, true},
		"bound to a link-local address": {pcbBound, Socket{Family: IPv6, Local: at("[fe80::1%if4]:5188"), State: StateBound, UID: root, LastPID: 1,
			Inode: 5013, Cookie: 13, Options: neither, Origin: OriginBind}, true},
		"without a socket": {pcbGone, Socket{Family: IPv4, Local: at("127.0.0.1:5188"), Remote: at("127.0.0.1:50003"), State: StateFinWait2, Cookie: 14}, false},
		"flow in a process": {pcbFlow, Socket{Family: IPv4, Local: at("192.0.2.1:5188"), Remote: at("192.0.2.9:443"), State: StateEstablished,
			LastPID: 77, Owners: []Owner{{PID: 77}}}, false},
		"in the accept queue": {pcbQueued, Socket{Family: IPv4, Local: at("127.0.0.1:5188"), Remote: at("127.0.0.1:50004"), State: StateSynRecv,
			UID: uid, LastPID: 4211, Cookie: 15, Options: neither, Origin: OriginAccept}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.want.Network = TCP
			for _, layout := range []pcbLayout{darwin22, darwin21, someday} {
				want := []xnuSocket{{Socket: test.want, open: test.open, controlBlock: 0x7cb}}
				if layout == darwin21 {
					want[0].Inode = 0
				}
				got, err := parsePCBList(TCP, layout.list(true, test.pcb), interfaceNumber)
				if diff := cmp.Diff(want, got, socketFields...); diff != "" || err != nil {
					t.Errorf("%v: %v, sockets (-want +got):\n%s", layout, err, diff)
				}
			}
		})
	}
}

func TestParsePCBListUDP(t *testing.T) {
	bound, connected := pcbListener, pcbTimeWait
	bound.queue, bound.waiting = [3]uint16{}, [2]uint32{9, 0}
	connected.socketState = 0
	got, err := parsePCBList(UDP, darwin22.list(false, bound, connected), interfaceNumber)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d sockets: %v", len(got), err)
	}
	if got[0].State != StateUnconnected || got[1].State != StateEstablished || got[0].ReceiveQueue != 9 || got[0].controlBlock != 0xb10c {
		t.Errorf("sockets %+v", got)
	}
}

// TestParsePCBListResynchronises: the records of one socket never end up in
// another's, and those of sockets without a port or younger than the list are
// left out.
func TestParsePCBListResynchronises(t *testing.T) {
	got, err := parsePCBList(TCP, darwin22.list(true, allPCBs...), interfaceNumber)
	if err != nil {
		t.Fatal(err)
	}
	var states []State
	for _, s := range got {
		states = append(states, s.State)
	}
	want := []State{StateListen, StateListen, StateTimeWait, StateFinWait2, StateEstablished, StateEstablished, StateBound}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if gone := got[3]; gone.UID != nil || gone.LastPID != 0 || gone.Options != (Options{}) {
		t.Errorf("a socket that is gone has another's record: %+v", gone)
	}
}

// TestParsePCBListEnds: the count in the mark of the end may look like the kind
// of a record.
func TestParsePCBListEnds(t *testing.T) {
	for _, count := range []int{pcbKindInternet, pcbKindTCP} {
		pcbs := make([]pcbOfTest, count)
		for i := range pcbs {
			pcbs[i] = pcbListener
		}
		if got, err := parsePCBList(TCP, darwin22.list(true, pcbs...), interfaceNumber); len(got) != count || err != nil {
			t.Errorf("%d of %d sockets: %v", len(got), count, err)
		}
	}
	if got, err := parsePCBList(TCP, darwin22.list(true)[:pcbGenerationLength], interfaceNumber); got != nil || err != nil {
		t.Errorf("no sockets: %v, %v", got, err)
	}
}

func TestParsePCBListCut(t *testing.T) {
	for _, layout := range []pcbLayout{darwin22, darwin21, someday} {
		data := layout.list(true, allPCBs...)
		for length := range data {
			if got, err := parsePCBList(TCP, data[:length], interfaceNumber); !errors.Is(err, errPCBListCut) || got != nil {
				t.Fatalf("the first %d of %d bytes: %d sockets, %v", length, len(data), len(got), err)
			}
		}
	}
}

func TestParsePCBListErrors(t *testing.T) {
	changed := func(at int, number uint32) []byte {
		data := darwin22.list(true, pcbListener, pcbDualStack)
		binary.LittleEndian.PutUint32(data[at:], number)
		return data
	}
	const socket, tcp = 24 + 104, 24 + 104 + 104 + 32 + 32 + 136
	for name, data := range map[string][]byte{
		"short internet record":  changed(24, 72),
		"short socket record":    changed(socket, 64),
		"short state record":     changed(tcp, 36),
		"begins within a socket": changed(24+4, 0x77),
		"unknown state":          changed(tcp+36, 11),
		"no state":               darwin22.list(false, pcbListener),
		"record of no length":    changed(socket, 0),
	} {
		if got, err := parsePCBList(TCP, data, interfaceNumber); err == nil || got != nil {
			t.Errorf("%s: %d sockets", name, len(got))
		}
	}
}

func FuzzParsePCBList(f *testing.F) {
	f.Add(darwin22.list(true, allPCBs...), true)
	f.Add(darwin21.list(true, pcbListener), true)
	f.Add(someday.list(false, pcbDualStack, pcbGone), false)
	f.Fuzz(func(t *testing.T, data []byte, tcp bool) {
		network := UDP
		if tcp {
			network = TCP
		}
		sockets, err := parsePCBList(network, data, interfaceNumber)
		if err != nil && sockets != nil {
			t.Errorf("%d sockets of a list that is broken", len(sockets))
		}
		for _, s := range sockets {
			if s.State == "" || s.Local.Port() == 0 || !s.Local.IsValid() || s.Network != network || !s.open && s.Inode != 0 {
				t.Errorf("half a socket: %+v", s)
			}
			if err := s.check(); err != nil {
				t.Error(err)
			}
		}
	})
}
