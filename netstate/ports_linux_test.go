package netstate

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

// snapshotOf reads what the endpoints ask for, and fails on any limit.
func snapshotOf(t testing.TB, endpoints ...Endpoint) *Snapshot {
	t.Helper()
	s := &Snapshot{Query: Query{Endpoints: endpoints}}
	s.Policy = policySnapshot().Policy
	if err := readSockets(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for _, limit := range s.Limits {
		t.Errorf("limit: %+v", limit)
	}
	return s
}

func TestUDPSockets(t *testing.T) {
	tests := map[string]func(t *testing.T) Socket{
		"unconnected": func(t *testing.T) Socket {
			return newUDP4(t).bind("127.0.0.1:0").row(UDP, StateUnconnected, "")
		},
		"connected": func(t *testing.T) Socket {
			to := newUDP4(t).bind("127.0.0.1:0")
			return newUDP4(t).connect(to.local()).row(UDP, StateEstablished, "")
		},
		"dual-stack": func(t *testing.T) Socket {
			return newUDP6(t).bind("[::]:0").row(UDP, StateUnconnected, "").withV6Only(false)
		},
		"IPV6_V6ONLY": func(t *testing.T) Socket {
			s := newUDP6(t).set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1).bind("[::1]:0")
			return s.row(UDP, StateUnconnected, "").withV6Only(true)
		},
		"connected from a mapped address": func(t *testing.T) Socket {
			to := newUDP4(t).bind("127.0.0.1:0").local()
			mapped := netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port())
			return newUDP6(t).connect(mapped).row(UDP, StateEstablished, "")
		},
	}
	for name, arrange := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := arrange(t)
			s := snapshotOf(t, Endpoint{Network: UDP, Port: want.Local.Port()})
			compareSockets(t, s.Sockets, want)
		})
	}
}

// TestNetworksAreApart has a TCP and a UDP socket on one port.
func TestNetworksAreApart(t *testing.T) {
	tcp := newTCP4(t).bind("127.0.0.1:0").listen(1)
	udp := newUDP4(t).bind(tcp.local().String())
	port := tcp.local().Port()
	wantTCP, wantUDP := tcp.tcp(StateListen, OriginBind), udp.row(UDP, StateUnconnected, "")
	compareSockets(t, snapshotOf(t, Endpoint{Network: TCP, Port: port}).Sockets, wantTCP)
	compareSockets(t, snapshotOf(t, Endpoint{Network: UDP, Port: port}).Sockets, wantUDP)
	compareSockets(t, snapshotOf(t, Endpoint{Network: UDP, Port: port}, Endpoint{Network: TCP, Port: port}).Sockets, wantTCP, wantUDP)
	compareSockets(t, snapshotOf(t, Endpoint{Network: Unix, Path: "@nothing"}).Sockets)
}

// TestPortsOfTheQuery asks for single ports, ranges, and more ranges than a
// filter has.
func TestPortsOfTheQuery(t *testing.T) {
	var want []Socket
	for range 5 {
		want = append(want, newTCP4(t).bind("127.0.0.9:0").listen(1).tcp(StateListen, OriginBind))
	}
	slices.SortFunc(want, func(a, b Socket) int { return a.Local.Compare(b.Local) })
	port := func(i int) uint16 { return want[i].Local.Port() }
	compare := func(endpoints []Endpoint, want ...Socket) {
		t.Helper()
		compareSockets(t, slices.DeleteFunc(snapshotOf(t, endpoints...).Sockets, func(s Socket) bool {
			return s.Local.Addr() != netip.MustParseAddr("127.0.0.9") // left over by another test
		}), want...)
	}
	compare([]Endpoint{{Network: TCP, Port: port(0)}}, want[0])
	compare([]Endpoint{{Network: TCP, Port: port(1), LastPort: port(3)}}, want[1:4]...)
	compare([]Endpoint{{Network: TCP, Port: port(1) + 1, LastPort: port(3) - 1}}, want[2])
	compare([]Endpoint{{Network: TCP, Port: port(4)}, {Network: TCP, Port: 1, LastPort: port(0)}}, want[0], want[4])
	compare([]Endpoint{{Network: TCP, Port: 1, LastPort: 65535}}, want...)
	compare([]Endpoint{{Network: UDP, Port: 1, LastPort: 65535}})
	for _, ranges := range []int{2, 10, maxFilterRanges - 3, maxFilterRanges, 1000} {
		endpoints := []Endpoint{{Network: TCP, Port: port(0)}, {Network: TCP, Port: port(2)}, {Network: TCP, Port: port(4)}}
		for i := range ranges { // not next to each other, and of nobody
			endpoints = append(endpoints, Endpoint{Network: TCP, Port: uint16(1 + 2*i)})
		}
		compare(endpoints, want[0], want[2], want[4])
	}
}

func TestPeersOfOrphans(t *testing.T) {
	t.Run("IPv4", func(t *testing.T) {
		c := newConnection(t)
		want := c.server.tcp(StateCloseWait, OriginAccept)
		c.client.close()
		s := snapshotOnce(t, want.Remote.Port(), func(s *Snapshot) bool { return len(socketsIn(s.Peers, StateCloseWait)) == 1 })
		compareSockets(t, s.Peers, want)
	})
	t.Run("mapped", func(t *testing.T) {
		listener := newTCP6(t).bind("[::]:0").listen(8)
		client := newTCP4(t).connect(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), listener.local().Port()))
		server := listener.accept()
		want := client.tcp(StateCloseWait, OriginConnect)
		server.close()
		listener.close()
		s := snapshotOnce(t, want.Remote.Port(), func(s *Snapshot) bool { return len(socketsIn(s.Peers, StateCloseWait)) == 1 })
		compareSockets(t, s.Peers, want)
	})
	t.Run("IPv6", func(t *testing.T) {
		listener := newTCP6(t).bind("[::1]:0").listen(8)
		client := newTCP6(t).connect(listener.local())
		server := listener.accept()
		want := client.tcp(StateCloseWait, OriginConnect)
		server.close()
		listener.close()
		s := snapshotOnce(t, want.Remote.Port(), func(s *Snapshot) bool { return len(socketsIn(s.Peers, StateCloseWait)) == 1 })
		compareSockets(t, s.Peers, want)
	})
	t.Run("both sides open", func(t *testing.T) {
		c := newConnection(t)
		c.client.shutdown()
		port := c.client.local().Port()
		inState(t, port, StateFinWait2)
		if s := snapshotOfPort(t, TCP, port); len(s.Peers) != 0 {
			t.Errorf("peers of a socket that is open: %+v", s.Peers)
		}
	})
	t.Run("peer gone, listener there", func(t *testing.T) {
		// The look-up of a connection that is gone finds the listener.
		c := newConnection(t)
		diag, err := dialInetDiag(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer diag.close()
		elsewhere := netip.MustParseAddrPort("127.0.0.77:7")
		if s, found, err := diag.lookUp(c.listener.local(), elsewhere, ""); found || err != nil {
			t.Errorf("found %+v, %v", s, err)
		}
		c.listener.close()
		if s, found, err := diag.lookUp(elsewhere, c.client.local(), ""); found || err != nil {
			t.Errorf("found %+v, %v", s, err)
		}
		if s, found, err := diag.lookUp(c.server.local(), c.client.local(), ""); !found || err != nil || s.Inode != c.server.inode() {
			t.Errorf("found %+v, %v", s, err)
		}
	})
}

// TestPeersAreBounded leaves many orphans on one port.
func TestPeersAreBounded(t *testing.T) {
	listener := newTCP4(t).bind("127.0.0.1:0").listen(100)
	port := listener.local().Port()
	for range 3 * maxLookups {
		newTCP4(t).connect(listener.local())
		listener.accept().close()
	}
	s := snapshotOnce(t, port, func(s *Snapshot) bool { return len(socketsIn(s.Sockets, StateFinWait2)) == 3*maxLookups })
	if len(s.Peers) != maxLookups {
		t.Errorf("%d peers of %d orphans", len(s.Peers), 3*maxLookups)
	}
}

func TestQueues(t *testing.T) {
	c := newConnection(t)
	c.client.write(300)
	newTCP4(t).connect(c.listener.local())
	s := snapshotOnce(t, c.listener.local().Port(), func(s *Snapshot) bool {
		return len(socketsIn(s.Sockets, StateEstablished)) == 2
	})
	for _, s := range s.Sockets {
		switch {
		case s.State == StateListen && (s.ReceiveQueue != 1 || s.SendQueue != 8):
			t.Errorf("the listener's queue is %d of %d, want 1 of 8", s.ReceiveQueue, s.SendQueue)
		case s.Inode == c.server.inode() && (s.ReceiveQueue != 300 || s.SendQueue != 0):
			t.Errorf("the server has %d bytes to read and %d to send", s.ReceiveQueue, s.SendQueue)
		}
	}
}

// TestRemainingTimeRunsDown reads a TIME_WAIT twice.
func TestRemainingTimeRunsDown(t *testing.T) {
	c := newConnection(t)
	port := c.client.local().Port()
	c.client.close()
	c.server.close()
	first := inState(t, port, StateTimeWait).Timer.RemainingMilliseconds
	snapshotOnce(t, port, func(s *Snapshot) bool {
		return s.Sockets[0].Timer.RemainingMilliseconds < first
	})
}

func TestLinkLocalZone(t *testing.T) {
	addLinkLocal(t, "fe80::5188", "lo")
	address := netip.MustParseAddr("fe80::5188%lo")
	listener := newTCP6(t).bind("[fe80::5188%lo]:0").listen(1)
	port := listener.local().Port()
	client := connectTCP6(t, netip.AddrPortFrom(address, port))
	want := listener.tcp(StateListen, OriginBind).withV6Only(true)
	server := listener.accept().tcp(StateEstablished, OriginAccept)
	want.Device, server.Device = "lo", "lo"
	want.Local, server.Local = netip.AddrPortFrom(address, port), netip.AddrPortFrom(address, port)
	server.Remote = netip.AddrPortFrom(address, client.local().Port())
	compareSockets(t, snapshotOf(t, Endpoint{Network: TCP, Port: port}).Sockets, want, server)
}

// addLinkLocal gives an interface an address, which it keeps.
func addLinkLocal(t *testing.T, address, device string) {
	t.Helper()
	data := make([]byte, 8) // struct ifaddrmsg
	data[0], data[1], data[2], data[3] = unix.AF_INET6, 64, unix.IFA_F_NODAD, unix.RT_SCOPE_LINK
	binary.NativeEndian.PutUint32(data[4:], interfaceIndex(device))
	data = append(data, nltest.MustMarshalAttributes([]netlink.Attribute{
		{Type: unix.IFA_LOCAL, Data: netip.MustParseAddr(address).AsSlice()},
		{Type: unix.IFA_ADDRESS, Data: netip.MustParseAddr(address).AsSlice()},
	})...)
	routeRequest(t, unix.RTM_NEWADDR, netlink.Create|netlink.Replace, data)
}

// connectTCP6 connects a new socket. The kernel adds the route to an address
// some time after the address.
func connectTCP6(t *testing.T, to netip.AddrPort) *testSocket {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		s := newTCP6(t)
		err := unix.Connect(s.fd, sockaddr(t, to))
		if err == nil {
			return s
		}
		if err != unix.ENETUNREACH || time.Now().After(deadline) {
			t.Fatalf("connect %s: %v", to, err)
		}
		s.close()
	}
}

// routeRequest has the kernel change an interface.
func routeRequest(t *testing.T, kind netlink.HeaderType, flags netlink.HeaderFlags, data []byte) {
	t.Helper()
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	header := netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | flags}
	if _, err := conn.Execute(netlink.Message{Header: header, Data: data}); err != nil {
		t.Fatalf("rtnetlink request %d: %v", kind, err)
	}
}

func TestInterfaceThatIsGone(t *testing.T) {
	diag := &inetDiag{}
	if got := diag.interfaceName(123456); got != "123456" {
		t.Errorf("an interface that is gone is called %q", got)
	}
	if got := diag.interfaceName(1); got != "lo" {
		t.Errorf("interface 1 is called %q", got)
	}
}

// TestCgroupID compares with the cgroup v2 directory that this process is in,
// where it is mounted and was so when the socket was made.
func TestCgroupID(t *testing.T) {
	directory := ownCgroup(t)
	var stat unix.Stat_t
	if err := unix.Stat(directory, &stat); err != nil {
		t.Fatal(err)
	}
	s := newTCP4(t).bind("127.0.0.1:0").listen(1)
	got := snapshotOfPort(t, TCP, s.local().Port()).Sockets[0].CgroupID
	if got != stat.Ino {
		t.Errorf("the socket's cgroup is %d, that of this process %d (%s)", got, stat.Ino, directory)
	}
}

// ownCgroup is the directory of this process's cgroup v2.
func ownCgroup(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		path, found := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !found {
			continue
		}
		for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			var stat unix.Statfs_t
			if unix.Statfs(root, &stat) == nil && stat.Type == unix.CGROUP2_SUPER_MAGIC {
				return filepath.Join(root, path)
			}
		}
	}
	t.Skip("no cgroup v2 file system is mounted here")
	return ""
}

func TestEphemeralUse(t *testing.T) {
	available := availablePorts()
	var client *testSocket
	for attempt := 1; ; attempt++ {
		before := snapshotOf(t, Endpoint{Network: TCP})
		listener := newTCP4(t).bind("127.0.0.1:0").listen(8)
		newTCP4(t).bind("127.0.0.2:0")
		client = newTCP4(t).connect(listener.local()) // and a second socket on the listener's port
		after := snapshotOf(t, Endpoint{Network: TCP})
		if len(after.Sockets) != 0 {
			t.Errorf("%d sockets that nobody asked for", len(after.Sockets))
		}
		want := &EphemeralUse{Network: TCP, Available: available, Used: before.Ephemeral.Used + 3}
		diff := cmp.Diff(want, after.Ephemeral)
		if diff == "" {
			break
		}
		if attempt == 5 { // what another test left over may go in between, but hardly each time
			t.Fatalf("use (-want +got):\n%s", diff)
		}
	}
	udp := snapshotOf(t, Endpoint{Network: UDP}, Endpoint{Network: TCP, Port: client.local().Port()})
	if udp.Ephemeral.Network != UDP || udp.Ephemeral.Available != available || len(udp.Sockets) != 1 {
		t.Errorf("use %+v and %d sockets", udp.Ephemeral, len(udp.Sockets))
	}
}

// availablePorts is the size of the ephemeral range; nothing is reserved in
// the namespace of the tests.
func availablePorts() int {
	ports := policySnapshot().Policy.EphemeralPorts
	return int(ports.Last) - int(ports.First) + 1
}

func TestEphemeralCounter(t *testing.T) {
	counter := &ephemeralCounter{ports: PortRange{100, 109}, reserved: portSet{{103, 104}, {109, 200}}}
	for _, port := range []uint16{99, 100, 100, 103, 105, 109, 110} {
		counter.add(Socket{Network: TCP, State: StateTimeWait, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), port)})
	}
	counter.add(Socket{Network: TCP, State: StateSynRecv, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), 106)})
	want := &EphemeralUse{Network: TCP, Available: 7, Used: 2}
	if diff := cmp.Diff(want, counter.use(TCP), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
