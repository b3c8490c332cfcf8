package netstate

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
)

// unixDiagMessage makes a message as the kernel does.
func unixDiagMessage(t testing.TB, kind, state uint8, inode uint32, attributes func(*netlink.AttributeEncoder)) []byte {
	t.Helper()
	message := make([]byte, unixDiagHeaderSize)
	message[0], message[1], message[2] = unixDiagFamily, kind, state
	binary.NativeEndian.PutUint32(message[4:], inode)
	encoder := netlink.NewAttributeEncoder()
	attributes(encoder)
	encoded, err := encoder.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return append(message, encoded...)
}

func vfs(inode, device uint32) []byte {
	value := binary.NativeEndian.AppendUint32(nil, inode)
	return binary.NativeEndian.AppendUint32(value, device)
}

func listenerMessage(t testing.TB) []byte {
	return unixDiagMessage(t, unixStream, unixListen, 91234, func(e *netlink.AttributeEncoder) {
		e.Bytes(unixDiagName, []byte("/run/x.sock\x00"))
		e.Bytes(unixDiagVFS, vfs(0x984036, 259<<20|0x12345))
		e.Bytes(4, make([]byte, 8)) // UNIX_DIAG_RQLEN, which nobody asked for
		e.Uint32(unixDiagPeer, 17)
		e.Uint32(unixDiagUID, 1000)
		e.Bytes(99, []byte("of a later kernel"))
	})
}

func TestDecodeUnixDiag(t *testing.T) {
	got, err := decodeUnixDiag(listenerMessage(t))
	if err != nil {
		t.Fatal(err)
	}
	want := unixRow{peer: 17, UnixSocket: UnixSocket{
		Path: "/run/x.sock", Type: "stream", State: StateListen, UID: pointer(uint32(1000)), Inode: 91234,
		FileInode: 0x984036, FileDevice: 259<<8 | 0x45 | 0x12300<<12, // makedev(259, 0x12345)
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(unixRow{})); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeUnixDiagStates(t *testing.T) {
	for _, test := range []struct {
		kind, state uint8
		typ         string
		want        State
	}{
		{unixStream, unixListen, "stream", StateListen},
		{unixStream, unixClose, "stream", StateBound},
		{unixStream, unixEstablished, "stream", StateEstablished},
		{unixSeqpacket, unixListen, "seqpacket", StateListen},
		{unixDatagram, unixClose, "dgram", StateUnconnected},
		{unixDatagram, unixEstablished, "dgram", StateUnconnected},
		{9, unixClose, "type 9", StateBound},
	} {
		got, err := decodeUnixDiag(unixDiagMessage(t, test.kind, test.state, 1, func(*netlink.AttributeEncoder) {}))
		if err != nil || got.Type != test.typ || got.State != test.want || got.UID != nil {
			t.Errorf("%+v: %+v, %v", test, got, err)
		}
	}
}

func TestUnixName(t *testing.T) {
	for name, want := range map[string]string{
		"":                  "",
		"/run/x.sock\x00":   "/run/x.sock",
		"/run/x.sock":       "/run/x.sock", // 108 bytes leave no room for the NUL
		"@relative\x00":     "@relative",
		"\x00abstract":      "@abstract",
		"\x00abs\x00tract":  "@abs\x00tract",
		"\x00abstract\x00":  "@abstract\x00",
		"\x00@abstract\n\"": "@@abstract\n\"",
	} {
		if got := unixName([]byte(name)); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestDecodeUnixDiagErrors(t *testing.T) {
	whole := listenerMessage(t)
	other := append([]byte{2}, whole[1:]...)
	short := unixDiagMessage(t, unixStream, unixListen, 1, func(e *netlink.AttributeEncoder) {
		e.Bytes(unixDiagVFS, make([]byte, 7))
	})
	for _, message := range [][]byte{nil, whole[:15], whole[:22], whole[:len(whole)-4], other, short} {
		if row, err := decodeUnixDiag(message); err == nil {
			t.Errorf("%d bytes: %+v", len(message), row)
		}
	}
}

func FuzzDecodeUnixDiag(f *testing.F) {
	f.Add(listenerMessage(f))
	f.Fuzz(func(t *testing.T, message []byte) {
		row, err := decodeUnixDiag(message)
		if err == nil && (row.Type == "" || row.State == "") {
			t.Errorf("%+v", row)
		}
	})
}

func TestBoundSockets(t *testing.T) {
	row := func(name string, state State, inode, peer uint64) unixRow {
		return unixRow{UnixSocket{Path: name, State: state, Inode: inode}, peer}
	}
	rows := []unixRow{
		row("/server", StateListen, 1, 0),
		row("", StateEstablished, 2, 3),
		row("/server", StateEstablished, 3, 2), // accepted
		row("/client", StateEstablished, 4, 5), // bound, then connected
		row("/server", StateEstablished, 5, 4), // accepted from a client with a name
		row("/gone", StateEstablished, 6, 7),   // accepted by a listener that is gone
		row("", StateEstablished, 7, 6),
		row("/gone", StateEstablished, 8, 0), // its peer is gone as well
		row("/bound", StateBound, 9, 0),
		row("/dgram", StateUnconnected, 10, 0),
		row("", StateBound, 11, 0),
	}
	want := []unixRow{rows[0], rows[3], rows[8], rows[9]}
	if diff := cmp.Diff(want, boundSockets(rows), cmp.AllowUnexported(unixRow{})); diff != "" {
		t.Error(diff)
	}
}

func TestUnixFileIsOf(t *testing.T) {
	row := unixRow{UnixSocket: UnixSocket{Path: "run/x.sock", FileDevice: 26, FileInode: 5}}
	for _, test := range []struct {
		file unixFile
		name string
		want bool
	}{
		{unixFile{device: 26, inode: 5}, "/other", true},
		{unixFile{device: 26, inode: 1<<32 + 5}, "/other", true}, // the kernel tells 32 bits
		{unixFile{device: 26, inode: 6}, "/run/x.sock", false},
		{unixFile{device: 27, inode: 5}, "/run/x.sock", false},
		{unixFile{device: 27, inode: 5, deviceVaries: true}, "/run/x.sock", true},
		{unixFile{device: 27, inode: 5, deviceVaries: true}, "/run/y.sock", false},
		{unixFile{}, "/run/x.sock", false},
	} {
		if got := test.file.isOf(row, test.name); got != test.want {
			t.Errorf("%+v %s: %v", test.file, test.name, got)
		}
	}
	if (unixFile{}).isOf(unixRow{}, "/x") {
		t.Error("no file is the file of an abstract name")
	}
}

func TestDecodeProcNetUnix(t *testing.T) {
	const text = `Num       RefCount Protocol Flags    Type St Inode Path
00000000f88749f7: 00000003 00000000 00000000 0001 03  1158
0000000068af348e: 00000002 00000000 00010000 0001 01 40215 @ab@c@
ffff888100a3c000: 00000002 00000000 00000000 0002 01 123456789 /run/with space
  and line
c0ffee00: 00000002 00000000 00010000 0005 01     7 /run/q.sock
00000000a7240d25: 00000002 00000000 00000000 0001 01 40216 bound
00000000a7240d26: 00000002 00000000 00000000 0001 02     0 /run/q.sock
`
	want := []unixRow{
		{UnixSocket: UnixSocket{Type: "stream", State: StateEstablished, Inode: 1158}},
		{UnixSocket: UnixSocket{Path: "@ab@c@", Type: "stream", State: StateListen, Inode: 40215}},
		{UnixSocket: UnixSocket{Path: "/run/with space\n  and line", Type: "dgram", State: StateUnconnected, Inode: 123456789}},
		{UnixSocket: UnixSocket{Path: "/run/q.sock", Type: "seqpacket", State: StateListen, Inode: 7}},
		{UnixSocket: UnixSocket{Path: "bound", Type: "stream", State: StateBound, Inode: 40216}},
		{UnixSocket: UnixSocket{Path: "/run/q.sock", Type: "stream", State: StateEstablished}},
	}
	if diff := cmp.Diff(want, decodeProcNetUnix([]byte(text)), cmp.AllowUnexported(unixRow{})); diff != "" {
		t.Error(diff)
	}
	for _, text := range []string{"", "\n", "Num\n", "Num\nnot a socket\n"} {
		if got := decodeProcNetUnix([]byte(text)); len(got) != 0 {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func FuzzDecodeProcNetUnix(f *testing.F) {
	f.Add("0000000068af348e: 00000002 00000000 00010000 0001 01 40215 @ab@c@\nmore")
	f.Add("c0ffee00: 00000002 00000000 00010000 0005 01     7 ")
	f.Fuzz(func(t *testing.T, text string) {
		for _, row := range decodeProcNetUnix([]byte("Num\n" + text)) {
			if row.State == "" || !strings.Contains(text, row.Path) {
				t.Errorf("%+v", row)
			}
		}
	})
}
