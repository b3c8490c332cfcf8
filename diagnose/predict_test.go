package diagnose_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// machine is a snapshot of a system with these sockets, on which nothing is
// missing.
func machine(system string, sockets ...netstate.Socket) *netstate.Snapshot {
	s := &netstate.Snapshot{
		Schema: netstate.SnapshotSchema, Host: netstate.Host{OS: system}, Sockets: sockets,
		Query: netstate.Query{Endpoints: []netstate.Endpoint{
			{Network: netstate.TCP, Port: 1, LastPort: 65535}, {Network: netstate.UDP, Port: 1, LastPort: 65535},
		}},
		Policy: netstate.Policy{
			UID: new(uint32(1000)), BindPrivileged: new(false), UnprivilegedPortStart: new(1024), IPv4: new(true), IPv6: new(true),
			NonlocalBind4: new(false), NonlocalBind6: new(false), AutobindReuse: new(false),
			ExcludedPorts: map[netstate.Network][]netstate.PortRange{netstate.TCP: nil, netstate.UDP: nil},
		},
	}
	for _, prefix := range []string{"127.0.0.1/8", "::1/128", "192.0.2.1/24", "2001:db8::1/64"} {
		s.Policy.Addresses = append(s.Policy.Addresses, netstate.InterfaceAddress{Interface: "lo", Prefix: netip.MustParsePrefix(prefix)})
	}
	return s
}

// held is a socket of the reader's user with no options set.
func held(network netstate.Network, state netstate.State, local string) netstate.Socket {
	e := netstate.Socket{
		Network: network, Family: netstate.IPv4, State: state, Local: netip.MustParseAddrPort(local), UID: new(uint32(1000)), Inode: 7,
		Options: netstate.Options{ReuseAddr: new(false), ReusePort: new(false), ReusePortLB: new(false), Exclusive: new(false)},
	}
	if e.Local.Addr().Is6() {
		e.Family, e.Options.V6Only = netstate.IPv6, new(false)
	}
	return e
}

// with changes a socket.
func with(e netstate.Socket, change func(*netstate.Socket)) netstate.Socket {
	change(&e)
	return e
}

func bind(network netstate.Network, address string, change ...func(*netstate.BindRequest)) netstate.BindRequest {
	at := netip.MustParseAddrPort(address)
	r := netstate.BindRequest{Network: network, Address: at.Addr(), Port: at.Port()}
	for _, c := range change {
		c(&r)
	}
	return r
}

func reusePort(r *netstate.BindRequest) { r.ReusePort = true }
func reuseAddr(r *netstate.BindRequest) { r.ReuseAddr = true }

func isReusable(e *netstate.Socket) { e.Options.ReuseAddr, e.Options.ReusePort = new(true), new(true) }
func hasUnknownOptions(e *netstate.Socket) {
	e.Options = netstate.Options{}
	e.UID, e.Inode = nil, 0
}

// with6Tentative makes all IPv6 addresses tentative.
func with6Tentative(s *netstate.Snapshot) *netstate.Snapshot {
	for i := range s.Policy.Addresses {
		s.Policy.Addresses[i].Tentative = s.Policy.Addresses[i].Prefix.Addr().Is6()
	}
	return s
}

// TestPredict pins what the tables of outcomes don't: what is missing, and who
// would share.
func TestPredict(t *testing.T) {
	const tcp, udp = netstate.TCP, netstate.UDP
	timeWait := with(held(tcp, netstate.StateTimeWait, "192.0.2.1:8080"), hasUnknownOptions)
	inUse := diagnose.Prediction{Bind: "EADDRINUSE", Culprits: []int{0}}
	for _, test := range []struct {
		name     string
		snapshot *netstate.Snapshot
		request  netstate.BindRequest
		want     diagnose.Prediction
	}{
		{"a flag that decides is missing", machine("linux", timeWait), bind(tcp, "0.0.0.0:8080", reuseAddr),
			diagnose.Prediction{Bind: "unknown", Undecided: []int{0}, Missing: "SO_REUSEADDR of the TIME_WAIT socket on 192.0.2.1:8080"}},
		{"a flag is missing and decides nothing", machine("linux", timeWait), bind(tcp, "0.0.0.0:8080"), inUse},
		{"an address that does not meet", machine("linux", timeWait), bind(tcp, "127.0.0.1:8080", reuseAddr),
			diagnose.Prediction{Bind: "ok", Listen: "ok"}},
		{"a user is missing", machine("linux", with(held(tcp, netstate.StateListen, "0.0.0.0:8080"), func(e *netstate.Socket) {
			isReusable(e)
			e.UID = nil
		})), bind(tcp, "0.0.0.0:8080", reusePort),
			diagnose.Prediction{Bind: "unknown", Undecided: []int{0}, Missing: "the user of the LISTEN socket on 0.0.0.0:8080"}},
		{"the shadow of IPv6 is missing", machine("linux", with(held(tcp, netstate.StateEstablished, "[::1]:8080"), hasUnknownOptions)), bind(tcp, "0.0.0.0:8080"),
			diagnose.Prediction{Bind: "unknown", Undecided: []int{0}, Missing: "IPV6_V6ONLY of the ESTABLISHED socket on [::1]:8080"}},
		{"a group by SO_REUSEPORT", machine("linux", with(held(tcp, netstate.StateListen, "0.0.0.0:8080"), isReusable)), bind(tcp, "0.0.0.0:8080", reusePort),
			diagnose.Prediction{Bind: "ok", Listen: "ok", Shares: []int{0}}},
		{"two UDP sockets by SO_REUSEADDR", machine("linux", with(held(udp, netstate.StateUnconnected, "0.0.0.0:5353"), isReusable)), bind(udp, "0.0.0.0:5353", reuseAddr),
			diagnose.Prediction{Bind: "ok", Shares: []int{0}}},
		{"a specific address beside a wildcard on macOS", machine("darwin", held(tcp, netstate.StateListen, "0.0.0.0:8080")), bind(tcp, "127.0.0.1:8080", reuseAddr),
			diagnose.Prediction{Bind: "ok", Listen: "ok", Shares: []int{0}}},
		{"IPv4 and IPv6 wildcards on macOS", machine("darwin", held(tcp, netstate.StateListen, "0.0.0.0:8080")), bind(tcp, "[::]:8080"),
			diagnose.Prediction{Bind: "ok", Listen: "ok", Shares: []int{0}}},
		{"a dual-stack wildcard and a specific IPv4 address on FreeBSD", machine("freebsd", held(tcp, netstate.StateListen, "127.0.0.1:8080")), bind(tcp, "[::]:8080"), inUse},
		{"options that macOS does not show", machine("darwin", with(held(tcp, netstate.StateListen, "0.0.0.0:8080"), hasUnknownOptions)), bind(tcp, "0.0.0.0:8080", reusePort),
			diagnose.Prediction{Bind: "unknown", Undecided: []int{0}, Missing: "SO_REUSEPORT of the LISTEN socket on 0.0.0.0:8080"}},
		{"options that Windows does not show", machine("windows", with(held(tcp, netstate.StateListen, "0.0.0.0:8080"), hasUnknownOptions)), bind(tcp, "0.0.0.0:8080"), inUse},
		{"a hijack on Windows", machine("windows", with(held(tcp, netstate.StateListen, "0.0.0.0:8080"), isReusable)), bind(tcp, "0.0.0.0:8080", reuseAddr),
			diagnose.Prediction{Bind: "ok", Listen: "ok", Shares: []int{0}}},
		{"an address that is not sure to be unique yet", with6Tentative(machine("linux")), bind(tcp, "[2001:db8::1]:8080"), diagnose.Prediction{Bind: "EADDRNOTAVAIL"}},
		{"a privileged port", machine("linux"), bind(tcp, "0.0.0.0:80"), diagnose.Prediction{Bind: "EACCES"}},
		{"a foreign address and a privileged port, IPv4", machine("linux"), bind(tcp, "198.51.100.7:80"), diagnose.Prediction{Bind: "EADDRNOTAVAIL"}},
		{"a foreign address and a privileged port, IPv6", machine("linux"), bind(tcp, "[2001:db8::7]:80"), diagnose.Prediction{Bind: "EACCES"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, diagnose.Predict(test.snapshot, test.request)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPredictWithLimits: success is not predicted where a socket may be that
// the snapshot does not have, and failure still is.
func TestPredictWithLimits(t *testing.T) {
	request := bind(netstate.TCP, "0.0.0.0:8080")
	for _, test := range []struct {
		name    string
		change  func(*netstate.Snapshot)
		missing string
	}{
		{"another port was asked about", func(s *netstate.Snapshot) {
			s.Query.Endpoints = []netstate.Endpoint{{Network: netstate.TCP, Port: 80, LastPort: 8079}}
		}, "port 8080"},
		{"bound sockets are not listed", func(s *netstate.Snapshot) {
			s.Limits = []netstate.Limit{{Kind: netstate.LimitBound, What: "TCP sockets that are bound"}}
		}, "that are bound"},
		{"nothing shows that there is IPv4", func(s *netstate.Snapshot) { s.Policy.IPv4, s.Policy.Addresses = nil, nil }, "IPv4"},
	} {
		free, taken := machine("linux"), machine("linux", held(netstate.TCP, netstate.StateListen, "0.0.0.0:8080"))
		test.change(free)
		test.change(taken)
		if p := diagnose.Predict(free, request); p.Bind != "unknown" || !strings.Contains(p.Missing, test.missing) {
			t.Errorf("%s: %+v", test.name, p)
		}
		if p := diagnose.Predict(taken, request); p.Bind != "EADDRINUSE" {
			t.Errorf("%s: %+v", test.name, p)
		}
	}
}

// TestEphemeralPorts: port 0, with and without the sockets of the range.
func TestEphemeralPorts(t *testing.T) {
	taken := func(ports int, change func(*netstate.Snapshot)) *netstate.Snapshot {
		s := machine("linux")
		s.Policy.EphemeralPorts = &netstate.PortRange{First: 40000, Last: 40003}
		s.Policy.ReservedPorts = []netstate.PortRange{{First: 40003, Last: 40003}}
		for port := range ports {
			e := held(netstate.TCP, netstate.StateListen, "0.0.0.0:1")
			e.Local = netip.AddrPortFrom(e.Local.Addr(), uint16(40000+port))
			s.Sockets = append(s.Sockets, e)
		}
		change(s)
		return s
	}
	asIs := func(*netstate.Snapshot) {}
	counted := func(used int) func(*netstate.Snapshot) {
		return func(s *netstate.Snapshot) {
			s.Query.Endpoints = []netstate.Endpoint{{Network: netstate.TCP}}
			s.Ephemeral = &netstate.EphemeralUse{Network: netstate.TCP, Available: 3, Used: used}
		}
	}
	for _, test := range []struct {
		name     string
		snapshot *netstate.Snapshot
		want     string
	}{
		{"one port is left", taken(2, asIs), "ok"},
		{"only the reserved port is left", taken(3, asIs), "EADDRINUSE"},
		{"by count one is left", taken(0, counted(2)), "ok"},
		{"by count all are taken, nobody knows by whom", taken(0, counted(3)), "unknown"},
		{"no range is known", taken(0, func(s *netstate.Snapshot) { s.Policy.EphemeralPorts = nil }), "unknown"},
	} {
		if p := diagnose.Predict(test.snapshot, bind(netstate.TCP, "0.0.0.0:0")); p.Bind != test.want {
			t.Errorf("%s: %+v, want %s", test.name, p, test.want)
		}
	}
}
