package diagnose_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// checkProperties returns what is wrong with a prediction whatever the rules
// are, nil if nothing is.
func checkProperties(s *netstate.Snapshot, request netstate.BindRequest, seed uint64) error {
	p := diagnose.Predict(s, request)
	for _, check := range []func(*netstate.Snapshot, netstate.BindRequest, diagnose.Prediction) error{
		culpritsAreRight, unknownSaysWhy, unrelatedChangesNothing, roundTripChangesNothing,
	} {
		if err := check(s, request, p); err != nil {
			return err
		}
	}
	return orderDoesNotMatter(s, request, p, seed)
}

// without is the snapshot without some of its sockets.
func without(s *netstate.Snapshot, gone func(i int) bool) *netstate.Snapshot {
	rest := *s
	rest.Sockets = nil
	for i, socket := range s.Sockets {
		if !gone(i) {
			rest.Sockets = append(rest.Sockets, socket)
		}
	}
	return &rest
}

// culpritsAreRight: without all of them the bind succeeds, with any one it
// fails as it did.
func culpritsAreRight(s *netstate.Snapshot, request netstate.BindRequest, p diagnose.Prediction) error {
	if len(p.Culprits) == 0 {
		return nil
	}
	open := func(i int) bool { return slices.Contains(p.Culprits, i) || slices.Contains(p.Undecided, i) }
	if after := diagnose.Predict(without(s, open), request); after.Bind != "ok" {
		return fmt.Errorf("without the culprits %v: %+v", p.Culprits, after)
	}
	for _, left := range p.Culprits {
		after := diagnose.Predict(without(s, func(i int) bool { return i != left && open(i) }), request)
		if after.Bind != p.Bind {
			return fmt.Errorf("with culprit %d of %v left: %+v", left, p.Culprits, after)
		}
	}
	return nil
}

func unknownSaysWhy(_ *netstate.Snapshot, _ netstate.BindRequest, p diagnose.Prediction) error {
	if (p.Bind == diagnose.ResultUnknown) != (p.Missing != "") || p.Bind == "" {
		return fmt.Errorf("an answer, or what is missing, but not both: %+v", p)
	}
	return nil
}

// unrelatedChangesNothing: sockets that can't meet the new one.
func unrelatedChangesNothing(s *netstate.Snapshot, request netstate.BindRequest, p diagnose.Prediction) error {
	if request.Port == 0 {
		return nil
	}
	other := map[netstate.Network]netstate.Network{netstate.TCP: netstate.UDP, netstate.UDP: netstate.TCP}[request.Network]
	more := *s
	more.Sockets = slices.Concat(s.Sockets, []netstate.Socket{
		{Network: request.Network, Family: netstate.IPv4, State: netstate.StateListen, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), request.Port+1)},
		{Network: other, Family: netstate.IPv6, State: netstate.StateUnconnected, Local: netip.AddrPortFrom(netip.IPv6Unspecified(), request.Port)},
		unmet(request),
	})
	if after := diagnose.Predict(&more, request); !cmp.Equal(p, after) {
		return fmt.Errorf("unrelated sockets change %+v to %+v", p, after)
	}
	return nil
}

// unmet is a socket on the port of the request whose address the new one can't
// have: another specific one, or one of the other family.
func unmet(request netstate.BindRequest) netstate.Socket {
	e := netstate.Socket{
		Network: request.Network, Family: netstate.IPv4, State: netstate.StateListen, UID: new(uint32(4)), Inode: 1 << 40,
		Local: netip.AddrPortFrom(netip.MustParseAddr("198.51.100.9"), request.Port),
		Options: netstate.Options{
			ReuseAddr: new(false), ReusePort: new(false), ReusePortLB: new(false), Exclusive: new(false),
		},
	}
	switch {
	case !request.Address.Unmap().IsUnspecified():
	case request.Address.Is4() || request.Address.Is4In6():
		e.Family, e.Options.V6Only = netstate.IPv6, new(true)
		e.Local = netip.AddrPortFrom(netip.MustParseAddr("2001:db8::9"), request.Port)
	case !request.V6Only: // :: meets everything.
		e.Local = netip.AddrPortFrom(e.Local.Addr(), request.Port+1)
	}
	return e
}

func roundTripChangesNothing(s *netstate.Snapshot, request netstate.BindRequest, p diagnose.Prediction) error {
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(s); err != nil {
		return err
	}
	var again netstate.Snapshot
	if err := json.NewDecoder(&text).Decode(&again); err != nil {
		return err
	}
	if after := diagnose.Predict(&again, request); !cmp.Equal(p, after) {
		return fmt.Errorf("JSON changes %+v to %+v", p, after)
	}
	return nil
}

// orderDoesNotMatter: the rows of a snapshot come in any order.
func orderDoesNotMatter(s *netstate.Snapshot, request netstate.BindRequest, p diagnose.Prediction, seed uint64) error {
	order := rand.New(rand.NewPCG(seed, 2)).Perm(len(s.Sockets))
	shuffled := *s
	shuffled.Sockets = make([]netstate.Socket, len(order))
	for i, to := range order {
		shuffled.Sockets[to] = s.Sockets[i]
	}
	for _, indices := range [][]int{p.Culprits, p.Undecided, p.Shares} {
		for i := range indices {
			indices[i] = order[indices[i]]
		}
		slices.Sort(indices)
	}
	after := diagnose.Predict(&shuffled, request)
	for _, indices := range [][]int{after.Culprits, after.Undecided, after.Shares} {
		slices.Sort(indices)
	}
	if !cmp.Equal(p, after) {
		return fmt.Errorf("another order of the sockets changes %+v to %+v", p, after)
	}
	return nil
}

// TestProperties checks random snapshots of all systems, also with facts that
// are missing.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, request := drawSnapshot(t), drawRequest(t)
		if err := checkProperties(s, request, rapid.Uint64().Draw(t, "order")); err != nil {
			t.Fatal(err)
		}
	})
}

// TestPropertiesOfRecordedCases checks the sockets that were real once.
func TestPropertiesOfRecordedCases(t *testing.T) {
	cases := readCases(t, "testdata/bind/linux-cases.jsonl.gz")
	for i := range cases {
		if cases[i].Request.Op != "bind" {
			continue
		}
		if err := checkProperties(cases[i].snapshot(), cases[i].request(), uint64(i)); err != nil {
			t.Errorf("%s: %v", cases[i].ID, err)
		}
	}
}

var drawnAddresses = append([]netip.Addr{
	netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("::ffff:0.0.0.0"),
	netip.MustParseAddr("::1"), netip.MustParseAddr("fd99::1"), netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("224.0.0.251"),
}, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.6"), netip.MustParseAddr("10.99.0.1"))

// perhaps draws a fact that is not always known.
func perhaps[T any](t *rapid.T, name string, values ...T) *T {
	if i := rapid.IntRange(-1, 4*len(values)-1).Draw(t, name); i >= 0 {
		return &values[i%len(values)]
	}
	return nil
}

func drawSnapshot(t *rapid.T) *netstate.Snapshot {
	system := rapid.SampledFrom([]string{"linux", "darwin", "freebsd", "windows"}).Draw(t, "system")
	s := &netstate.Snapshot{Schema: netstate.SnapshotSchema, Host: netstate.Host{OS: system}, Policy: netstate.Policy{
		UID: perhaps[uint32](t, "uid", 0, 1001), BindPrivileged: perhaps(t, "privileged", true, false), UnprivilegedPortStart: new(1024),
		NonlocalBind4: new(false), NonlocalBind6: new(false), AutobindReuse: perhaps(t, "autobind", true, false), IPv4: new(true), IPv6: new(true),
		EphemeralPorts: &netstate.PortRange{First: 8080, Last: 8080},
		ExcludedPorts:  map[netstate.Network][]netstate.PortRange{netstate.TCP: nil, netstate.UDP: nil},
	}}
	for _, name := range []string{"lo", testedDevice} {
		for _, prefix := range map[string][]string{"lo": {"127.0.0.1/8", "::1/128"}, testedDevice: {"10.99.0.1/24", "fd99::1/64"}}[name] {
			s.Policy.Addresses = append(s.Policy.Addresses, netstate.InterfaceAddress{Interface: name, Prefix: netip.MustParsePrefix(prefix)})
		}
	}
	for _, network := range []netstate.Network{netstate.TCP, netstate.UDP} {
		s.Query.Endpoints = append(s.Query.Endpoints, netstate.Endpoint{Network: network, Port: 80, LastPort: 8080})
	}
	s.Sockets = rapid.SliceOfN(rapid.Custom(drawSocket), 0, 6).Draw(t, "sockets")
	return s
}

const testedDevice = "v0"

func drawSocket(t *rapid.T) netstate.Socket {
	address := rapid.SampledFrom(drawnAddresses).Draw(t, "held")
	e := netstate.Socket{
		Network: rapid.SampledFrom([]netstate.Network{netstate.TCP, netstate.UDP}).Draw(t, "network"), Family: netstate.IPv4,
		Local: netip.AddrPortFrom(address, rapid.SampledFrom([]uint16{8080, 8080, 8080, 8081}).Draw(t, "port")),
		UID:   perhaps[uint32](t, "owner", 0, 1001, 1002), Device: rapid.SampledFrom([]string{"", "", "lo", testedDevice}).Draw(t, "device"),
		Options: netstate.Options{
			ReuseAddr: perhaps(t, "reuseaddr", true, false), ReusePort: perhaps(t, "reuseport", true, false),
			ReusePortLB: perhaps(t, "reuseport_lb", true, false), Exclusive: perhaps(t, "exclusive", true, false),
		},
		Inode: rapid.Uint64Range(0, 9).Draw(t, "inode"), State: netstate.StateUnconnected,
	}
	if address.Is6() {
		e.Family = netstate.IPv6
		e.Options.V6Only = perhaps(t, "v6only", !address.Is4In6(), false)
	}
	if e.Network == netstate.TCP {
		e.State = rapid.SampledFrom([]netstate.State{
			netstate.StateListen, netstate.StateBound, netstate.StateEstablished, netstate.StateTimeWait, netstate.StateFinWait2, netstate.StateSynRecv,
		}).Draw(t, "state")
	}
	switch e.State {
	case netstate.StateListen, netstate.StateBound, netstate.StateUnconnected:
	default:
		e.Remote = netip.AddrPortFrom(address, 9)
	}
	return e
}

func drawRequest(t *rapid.T) netstate.BindRequest {
	return netstate.BindRequest{
		Network: rapid.SampledFrom([]netstate.Network{netstate.TCP, netstate.UDP}).Draw(t, "network"),
		Address: rapid.SampledFrom(drawnAddresses).Draw(t, "address"),
		Port:    rapid.SampledFrom([]uint16{8080, 8080, 8080, 0, 80}).Draw(t, "port"),
		V6Only:  rapid.Bool().Draw(t, "v6only"), ReuseAddr: rapid.Bool().Draw(t, "reuseaddr"), ReusePort: rapid.Bool().Draw(t, "reuseport"),
		ReusePortLB: rapid.Bool().Draw(t, "reuseport_lb"), Exclusive: rapid.Bool().Draw(t, "exclusive"),
		Device: rapid.SampledFrom([]string{"", "", "lo", testedDevice}).Draw(t, "device"),
	}
}
