package netstate

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"pgregory.net/rapid"
)

func TestParseSysctlPorts(t *testing.T) {
	for text, want := range map[string][]PortRange{
		"":                     nil,
		"8080":                 {{8080, 8080}},
		"8080,9148-9150":       {{8080, 8080}, {9148, 9150}},
		"0-65535":              {{0, 65535}},
		"1,3,5-6,65534-65535":  {{1, 1}, {3, 3}, {5, 6}, {65534, 65535}},
		"50000-50000,60000":    {{50000, 50000}, {60000, 60000}},
		"1000-2000,2001-30000": {{1000, 2000}, {2001, 30000}},
	} {
		got, err := parseSysctlPorts(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
	for _, text := range []string{",", "1,", "x", "1-", "-1", "65536", "2-1", "1-2-3", "1 2", "1\t2"} {
		if got, err := parseSysctlPorts(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestParseSysctlRange(t *testing.T) {
	got, err := parseSysctlRange("32768\t60999")
	if err != nil || *got != (PortRange{32768, 60999}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "1", "1 2 3", "60999\t32768", "1 65536", "a b"} {
		if got, err := parseSysctlRange(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestParseSysctlBool(t *testing.T) {
	for text, want := range map[string]bool{"0": false, "1": true, "2": true} {
		if got, err := parseSysctlBool(text); err != nil || *got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if got, err := parseSysctlBool("on"); err == nil {
		t.Error(*got)
	}
}

func FuzzParseSysctlPorts(f *testing.F) {
	f.Add("8080,9148-9150")
	f.Fuzz(func(t *testing.T, text string) {
		ranges, err := parseSysctlPorts(text)
		if err != nil && ranges != nil {
			t.Error(ranges, err)
		}
		for _, r := range ranges {
			if r.First > r.Last {
				t.Error(r)
			}
		}
	})
}

// ifaddrMessage makes a message as the kernel does.
func ifaddrMessage(t testing.TB, family, bits, flags byte, index uint32, attributes func(*netlink.AttributeEncoder)) []byte {
	t.Helper()
	message := []byte{family, bits, flags, 0, 0, 0, 0, 0}
	binary.NativeEndian.PutUint32(message[4:], index)
	encoder := netlink.NewAttributeEncoder()
	attributes(encoder)
	encoded, err := encoder.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return append(message, encoded...)
}

func TestDecodeIfaddr(t *testing.T) {
	address := func(text string) []byte { return netip.MustParseAddr(text).AsSlice() }
	const family6 = 10
	for _, test := range []struct {
		message []byte
		want    InterfaceAddress
	}{
		{ifaddrMessage(t, 2, 24, 0, 2, func(e *netlink.AttributeEncoder) {
			e.Bytes(ifaddrAddress, address("10.0.0.5"))
			e.Bytes(ifaddrLocal, address("10.0.0.5"))
			e.Bytes(ifaddrBroadcast, address("10.0.0.255"))
			e.String(3, "eth0:1") // IFA_LABEL
			e.Uint32(ifaddrFlags, 0x80)
			e.Bytes(6, make([]byte, 16)) // IFA_CACHEINFO
		}), InterfaceAddress{Index: 2, Prefix: netip.MustParsePrefix("10.0.0.5/24"), Broadcast: netip.MustParseAddr("10.0.0.255")}},
		{ifaddrMessage(t, 2, 32, 0, 7, func(e *netlink.AttributeEncoder) { // point-to-point
			e.Bytes(ifaddrAddress, address("10.8.0.1"))
			e.Bytes(ifaddrLocal, address("10.8.0.2"))
		}), InterfaceAddress{Index: 7, Prefix: netip.MustParsePrefix("10.8.0.2/32")}},
		{ifaddrMessage(t, family6, 64, 0x80, 3, func(e *netlink.AttributeEncoder) {
			e.Bytes(ifaddrAddress, address("fe80::1"))
		}), InterfaceAddress{Index: 3, Prefix: netip.MustParsePrefix("fe80::1/64")}},
		{ifaddrMessage(t, family6, 64, 0, 3, func(e *netlink.AttributeEncoder) {
			e.Bytes(ifaddrAddress, address("fe80::2"))
			e.Uint32(ifaddrFlags, 0x80|ifaddrTentative)
		}), InterfaceAddress{Index: 3, Prefix: netip.MustParsePrefix("fe80::2/64"), Tentative: true}},
		{ifaddrMessage(t, family6, 64, ifaddrTentative|ifaddrOptimistic, 3, func(e *netlink.AttributeEncoder) {
			e.Bytes(ifaddrAddress, address("fe80::3"))
		}), InterfaceAddress{Index: 3, Prefix: netip.MustParsePrefix("fe80::3/64")}},
	} {
		got, err := decodeIfaddr(test.message)
		if err != nil || got != test.want {
			t.Errorf("got %+v, want %+v (%v)", got, test.want, err)
		}
	}
	none := func(*netlink.AttributeEncoder) {}
	for _, message := range [][]byte{
		nil, make([]byte, 7), ifaddrMessage(t, 2, 24, 0, 2, none),
		ifaddrMessage(t, 2, 33, 0, 2, func(e *netlink.AttributeEncoder) { e.Bytes(ifaddrLocal, address("10.0.0.5")) }),
		ifaddrMessage(t, 2, 24, 0, 2, func(e *netlink.AttributeEncoder) { e.Bytes(ifaddrLocal, []byte{1, 2, 3}) }),
	} {
		if got, err := decodeIfaddr(message); err == nil {
			t.Errorf("%v: %+v", message, got)
		}
	}
}

func FuzzDecodeIfaddr(f *testing.F) {
	f.Add(ifaddrMessage(f, 2, 8, 0, 1, func(e *netlink.AttributeEncoder) { e.Bytes(ifaddrLocal, []byte{127, 0, 0, 1}) }))
	f.Fuzz(func(t *testing.T, message []byte) {
		if row, err := decodeIfaddr(message); err == nil && !row.Prefix.IsValid() {
			t.Errorf("%+v", row)
		}
	})
}

func TestSortAddresses(t *testing.T) {
	want := []InterfaceAddress{
		{Index: 1, Prefix: netip.MustParsePrefix("127.0.0.1/8")},
		{Index: 1, Prefix: netip.MustParsePrefix("::1/128")},
		{Index: 2, Prefix: netip.MustParsePrefix("10.0.0.5/24")},
		{Index: 2, Prefix: netip.MustParsePrefix("10.0.0.6/24")},
		{Index: 2, Prefix: netip.MustParsePrefix("fe80::1/64")},
	}
	rapid.Check(t, func(t *rapid.T) {
		got := rapid.Permutation(want).Draw(t, "order")
		sortAddresses(got)
		if diff := cmp.Diff(want, got, comparePrefixes, compareAddresses); diff != "" {
			t.Fatal(diff)
		}
	})
}

var (
	compareAddresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	comparePrefixes  = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
)
