package netstate

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// runFilter does what inet_diag_bc_run in net/ipv4/inet_diag.c does with the
// comparisons of local ports.
func runFilter(t *testing.T, filter []byte, port uint16) bool {
	t.Helper()
	at := 0
	for at < len(filter) {
		yes, no := int(filter[at+1]), int(binary.NativeEndian.Uint16(filter[at+2:]))
		holds := false
		switch filter[at] {
		case bytecodeLocalPortFrom:
			holds = port >= binary.NativeEndian.Uint16(filter[at+6:])
		case bytecodeLocalPortTo:
			holds = port <= binary.NativeEndian.Uint16(filter[at+6:])
		case bytecodeJump:
		default:
			t.Fatalf("unknown code %d at %d", filter[at], at)
		}
		if holds {
			at += yes
		} else {
			at += no
		}
	}
	return at == len(filter)
}

// auditFilter does what inet_diag_bc_audit does: offsets are multiples of
// four, go forward, and go to an instruction or to four bytes behind the end.
func auditFilter(t *testing.T, filter []byte) {
	t.Helper()
	var starts, targets []int
	for at := 0; at < len(filter); at += int(filter[at+1]) {
		length := bytecodeCompareLength
		if filter[at] == bytecodeJump {
			length = bytecodeJumpLength
		}
		yes, no := int(filter[at+1]), int(binary.NativeEndian.Uint16(filter[at+2:]))
		if yes < length || yes%4 != 0 || no < length || no%4 != 0 || at+no > len(filter)+4 || at+yes > len(filter)+4 {
			t.Fatalf("at %d of %d: yes %d, no %d", at, len(filter), yes, no)
		}
		starts, targets = append(starts, at), append(targets, at+no)
	}
	for _, target := range targets {
		if target < len(filter) && !slices.Contains(starts, target) {
			t.Fatalf("a jump to %d, which is no instruction", target)
		}
	}
}

func checkFilter(t *testing.T, ports portSet) {
	t.Helper()
	filter := portFilter(ports)
	auditFilter(t, filter)
	for port := range 1 << 16 {
		if got, want := runFilter(t, filter, uint16(port)), ports.contains(uint16(port)); got != want {
			t.Fatalf("%v: port %d is kept: %t", ports, port, got)
		}
	}
}

func TestPortFilter(t *testing.T) {
	for _, ports := range []portSet{
		{{5188, 5188}},
		{{1, 65535}},
		{{0, 0}},
		{{65535, 65535}},
		{{80, 80}, {443, 443}, {8000, 8010}},
	} {
		checkFilter(t, ports)
	}
}

func TestPortFilterRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		ranges := make([]PortRange, random.IntN(maxFilterRanges))
		for i := range ranges {
			first := uint16(random.IntN(1 << 16))
			ranges[i] = PortRange{First: first, Last: first + uint16(random.IntN(min(300, 1<<16-int(first))))}
		}
		if ports := newPortSet(append(ranges, PortRange{First: 7, Last: 7})); len(ports) <= maxFilterRanges {
			checkFilter(t, ports)
		}
	}
}

func TestPortFilterOfManyRangesCoversThem(t *testing.T) {
	var ports portSet
	for i := range 20_000 {
		ports = append(ports, PortRange{First: uint16(100 + 3*i), Last: uint16(100 + 3*i)})
	}
	filter := portFilter(ports)
	auditFilter(t, filter)
	last := ports[len(ports)-1].Last
	for port, want := range map[uint16]bool{99: false, 100: true, 101: true, last: true, last + 1: false} {
		if got := runFilter(t, filter, port); got != want {
			t.Errorf("port %d is kept: %t", port, got)
		}
	}
}

func TestNewPortSet(t *testing.T) {
	got := newPortSet([]PortRange{{90, 95}, {1, 5}, {6, 6}, {92, 99}, {65535, 65535}, {65534, 65535}, {3, 4}})
	want := portSet{{1, 6}, {90, 99}, {65534, 65535}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for port, in := range map[uint16]bool{0: false, 1: true, 6: true, 7: false, 95: true, 99: true, 100: false, 65535: true} {
		if got.contains(port) != in {
			t.Errorf("%v contains %d: %t", got, port, !in)
		}
	}
}
