package trace

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

func bytesOf(family uint16, rest ...byte) []byte {
	return append(binary.NativeEndian.AppendUint16(nil, family), rest...)
}

func TestDecodeSockaddr(t *testing.T) {
	linkLocal := append([]byte{0, 80, 0, 0, 0, 0, 0xfe, 0x80}, make([]byte, 14)...)
	linkLocal = binary.NativeEndian.AppendUint32(linkLocal, 3)
	for _, test := range []struct {
		name string
		in   []byte
		want sockaddr
		ok   bool
	}{
		{"IPv4", bytesOf(familyIPv4, append([]byte{0x14, 0x44, 127, 0, 0, 1}, make([]byte, 8)...)...), sockaddr{local: netip.MustParseAddrPort("127.0.0.1:5188")}, true},
		{"IPv6", bytesOf(familyIPv6, append([]byte{0, 80, 0, 0, 0, 0}, make([]byte, 20)...)...), sockaddr{local: netip.MustParseAddrPort("[::]:80")}, true},
		{"zone", bytesOf(familyIPv6, linkLocal...), sockaddr{local: netip.MustParseAddrPort("[fe80::%3]:80")}, true},
		{"path", bytesOf(familyUnix, []byte("/run/s\x00rest")...), sockaddr{path: "/run/s"}, true},
		{"abstract", bytesOf(familyUnix, []byte("\x00name")...), sockaddr{path: "@name"}, true},
		{"autobind", bytesOf(familyUnix), sockaddr{}, false},
		{"short IPv4", bytesOf(familyIPv4, 0, 80), sockaddr{}, false},
		{"netlink", bytesOf(16, make([]byte, 10)...), sockaddr{}, false},
		{"empty", nil, sockaddr{}, false},
	} {
		if got, ok := decodeSockaddr(test.in); got != test.want || ok != test.ok {
			t.Errorf("%s: %v %t, want %v %t", test.name, got, ok, test.want, test.ok)
		}
	}
}

func FuzzDecodeSockaddr(f *testing.F) {
	f.Add(bytesOf(familyIPv6, make([]byte, 26)...))
	f.Add(bytesOf(familyUnix, 'a'))
	f.Fuzz(func(t *testing.T, in []byte) {
		if got, ok := decodeSockaddr(in); !ok && got != (sockaddr{}) {
			t.Errorf("%v without ok", got)
		}
	})
}

func TestParseStatus(t *testing.T) {
	text := "Name:\tmy server\nUmask:\t0022\nState:\tT (stopped)\nTgid:\t4211\nPid:\t4212\nUid:\t1000\t65534\t0\t0\nCapEff:\t0000000000000400\n"
	want := status{name: "my server", tgid: 4211, uid: 65534, binder: true, state: 'T'}
	if got, ok := parseStatus([]byte(text)); !ok || got != want {
		t.Errorf("%+v %t, want %+v", got, ok, want)
	}
	if _, ok := parseStatus(nil); ok {
		t.Error("an empty file has no process")
	}
}

func TestElsewhere(t *testing.T) {
	const bind, place = 49, 0x7f00
	for text, want := range map[string]bool{
		"running\n": false,
		"49 0x3 0x7ffc 0x10 0x0 0x0 0x0 0x7ffd 0x7f00\n": false,
		"49 0x3 0x7ffc 0x10 0x0 0x0 0x0 0x7ffd 0x8f00\n": true,
		"1 0x3 0x7ffc 0x10 0x0 0x0 0x0 0x7ffd 0x7f00\n":  true,
		"-1 0x0 0x0\n": true,
	} {
		if got := elsewhere([]byte(text), bind, place); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}

func TestParseNanoseconds(t *testing.T) {
	if got, ok := parseNanoseconds([]byte("1500")); !ok || got != 1500*time.Nanosecond {
		t.Errorf("%v %t", got, ok)
	}
	if _, ok := parseNanoseconds(nil); ok {
		t.Error("nothing is no time")
	}
}
