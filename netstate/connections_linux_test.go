package netstate

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

func init() {
	roles["sockets without netlink"] = socketsWithoutNetlink
	roles["everything without netlink"] = everythingWithoutNetlink
}

// socketsWithoutNetlink prints the snapshot that its first argument, a query,
// asks for, from behind a filter that refuses netlink sockets. A second
// argument is the user to be then.
func socketsWithoutNetlink(arguments []string) {
	if len(arguments) > 1 {
		uid, err := strconv.Atoi(arguments[1])
		must(err)
		must(errors.Join(syscall.Setgroups(nil), syscall.Setgid(uid), syscall.Setuid(uid)))
	}
	refuseSockets(unix.AF_NETLINK, unix.EPERM)
	s := &Snapshot{}
	must(json.Unmarshal([]byte(arguments[0]), &s.Query))
	s.Policy.EphemeralPorts = policySnapshot().Policy.EphemeralPorts
	must(readSockets(context.Background(), s))
	printJSON(s)
}

// everythingWithoutNetlink prints all that can be read behind such a filter.
func everythingWithoutNetlink(arguments []string) {
	refuseSockets(unix.AF_NETLINK, unix.EPERM)
	var query Query
	must(json.Unmarshal([]byte(arguments[0]), &query))
	s, err := Read(context.Background(), query)
	must(err)
	printJSON(s)
}

// snapshotWithoutNetlink reads in another process, where netlink is refused.
func snapshotWithoutNetlink(t *testing.T, endpoints ...Endpoint) *Snapshot {
	t.Helper()
	needsSocketFilter(t)
	return ask[*Snapshot](t, netstatetest.Command("sockets without netlink", queryArgument(t, endpoints...)))
}

func queryArgument(t *testing.T, endpoints ...Endpoint) string {
	t.Helper()
	query, err := json.Marshal(Query{Endpoints: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	return string(query)
}

// poorer is what the fallback knows of a row that this process owns.
func (s *testSocket) poorer(state State, origin Origin) Socket {
	s.t.Helper()
	row := s.tcp(state, origin)
	row.Cookie, row.Options = 0, Options{}
	row.Owners = []Owner{{PID: os.Getpid(), FDs: []int{s.fd}}}
	return row
}

func TestWithoutNetlink(t *testing.T) {
	c := newConnection(t)
	bound := newTCP4(t).bind("127.0.0.1:0")
	other := newConnection(t)
	waiting := other.client.poorer(StateTimeWait, "").mini()
	waiting.Owners = nil
	other.client.close()
	inState(t, waiting.Local.Port(), StateFinWait2)
	other.server.close()
	inState(t, waiting.Local.Port(), StateTimeWait)

	s := snapshotWithoutNetlink(t,
		Endpoint{Network: TCP, Port: c.listener.local().Port()},
		Endpoint{Network: TCP, Port: c.client.local().Port()},
		Endpoint{Network: TCP, Port: waiting.Local.Port()},
		Endpoint{Network: TCP, Port: bound.local().Port()})
	compareSockets(t, s.Sockets,
		c.listener.poorer(StateListen, OriginBind),
		c.server.poorer(StateEstablished, ""),
		c.client.poorer(StateEstablished, ""),
		waiting)
	checkFallbackLimits(t, s, TCP)
}

func TestWithoutNetlinkUDP(t *testing.T) {
	udp := newUDP6(t).bind("[::]:0")
	connected := newUDP4(t).connect(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), udp.local().Port()))
	s := snapshotWithoutNetlink(t, Endpoint{Network: UDP, Port: udp.local().Port()}, Endpoint{Network: UDP, Port: connected.local().Port()})
	first, second := udp.poorer(StateUnconnected, ""), connected.poorer(StateEstablished, "")
	first.Network, second.Network = UDP, UDP
	compareSockets(t, s.Sockets, first, second)
	checkFallbackLimits(t, s, UDP)
}

func TestWithoutNetlinkMapped(t *testing.T) {
	listener := newTCP6(t).bind("[::]:0").listen(8)
	port := listener.local().Port()
	newTCP4(t).connect(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port))
	server := listener.accept()
	s := snapshotWithoutNetlink(t, Endpoint{Network: TCP, Port: port})
	compareSockets(t, s.Sockets, listener.poorer(StateListen, OriginBind), server.poorer(StateEstablished, ""))
}

func TestWithoutNetlinkEphemeral(t *testing.T) {
	newTCP4(t).bind("127.0.0.1:0").listen(8)
	s := snapshotWithoutNetlink(t, Endpoint{Network: TCP})
	available := availablePorts()
	if s.Ephemeral == nil || s.Ephemeral.Available != available || s.Ephemeral.Used < 1 || len(s.Sockets) != 0 {
		t.Errorf("use %+v, sockets %+v", s.Ephemeral, s.Sockets)
	}
}

// checkFallbackLimits pins the words for what the fallback lacks.
func checkFallbackLimits(t *testing.T, s *Snapshot, network Network) {
	t.Helper()
	if diff := cmp.Diff(procTableLimits(network, unix.EPERM), s.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}

func TestProcTableLimits(t *testing.T) {
	const why = "the system refused NETLINK_SOCK_DIAG (operation not permitted), and what was read instead lacks them"
	want := []Limit{
		{Kind: LimitOwners, Network: TCP, Why: why, What: "the owners and users of tcp sockets that other users have"},
		{Kind: LimitSource, Network: TCP, Why: why, What: "all but one of several tcp sockets that share an address (SO_REUSEPORT, SO_REUSEADDR)"},
		{Kind: LimitSource, Network: TCP, Why: why, What: "the interfaces, IPV6_V6ONLY, queues and cgroups of tcp sockets"},
		{Kind: LimitSource, Network: TCP, Why: why, What: "the remaining times of TIME_WAIT and FIN_WAIT2"},
		{Kind: LimitSource, Network: TCP, Why: why, What: "which tcp connections were accepted and which were opened here"},
		{Kind: LimitSource, Network: TCP, Why: why, What: "the other ends of tcp connections that wait for a close"},
		{Kind: LimitBound, Network: TCP, Why: why, What: "TCP sockets that are bound and neither listen nor are connected"},
	}
	if diff := cmp.Diff(want, procTableLimits(TCP, os.NewSyscallError("socket", unix.EPERM))); diff != "" {
		t.Errorf("TCP (-want +got):\n%s", diff)
	}
	var udp []string
	for _, limit := range procTableLimits(UDP, unix.ENOENT) {
		udp = append(udp, limit.What)
	}
	if len(udp) != 3 || !slices.Contains(udp, "the owners and users of udp sockets that other users have") {
		t.Errorf("UDP: %q", udp)
	}
}

// TestRefusedNetworkAlone has a kernel that lacks the module of one network.
func TestRefusedNetworkAlone(t *testing.T) {
	_, diag := newFakeKernel(t, fakeAnswer{errno: unix.ENOENT})
	s := &Snapshot{}
	err := diag.read(s, portQuery{network: UDP, ports: port47705})
	if !netlinkRefused(err) || len(s.Sockets) != 0 {
		t.Errorf("error %v", err)
	}
	for _, errno := range []unix.Errno{unix.ENOMEM, unix.ENOBUFS, unix.EINTR, unix.EMFILE} {
		if netlinkRefused(errno) {
			t.Errorf("%v is taken for a refusal", errno)
		}
	}
}

// TestWithoutNetlinkForAnotherUser reads as a user who may not see who owns
// the sockets. As an ordinary user there is no second user to be.
func TestWithoutNetlinkForAnotherUser(t *testing.T) {
	if netstatetest.Ordinary() {
		t.Skip("an ordinary user's namespace has no second user")
	}
	needsSocketFilter(t)
	listener := newTCP4(t).bind("127.0.0.1:0").listen(8)
	query := queryArgument(t, Endpoint{Network: TCP, Port: listener.local().Port()})
	s := ask[*Snapshot](t, netstatetest.Command("sockets without netlink", query, "65534"))
	want := listener.poorer(StateListen, "").mini()
	want.Owners, want.Origin = nil, OriginBind
	compareSockets(t, s.Sockets, want)
}

// TestOwnersWithoutNetlink has a listener that the reader inherited: gopsutil
// names one owner, and its descriptor leads to the other.
func TestOwnersWithoutNetlink(t *testing.T) {
	needsSocketFilter(t)
	listener := newTCP4(t).bind("127.0.0.1:0").listen(8)
	file, err := unix.Dup(listener.fd)
	listener.must("dup", err)
	inherited := os.NewFile(uintptr(file), "listener")
	defer inherited.Close()
	command := netstatetest.Command("everything without netlink",
		queryArgument(t, Endpoint{Network: TCP, Port: listener.local().Port()}))
	command.ExtraFiles = []*os.File{inherited}
	s := ask[*Snapshot](t, command)
	if len(s.Sockets) != 1 {
		t.Fatalf("sockets %+v", s.Sockets)
	}
	want := map[int]bool{os.Getpid(): true, command.Process.Pid: true}
	owners, described := map[int]bool{}, map[int]bool{}
	for _, o := range s.Sockets[0].Owners {
		owners[o.PID] = true
	}
	for _, p := range s.Processes {
		described[p.PID] = p.Name != "" && p.State != ""
	}
	if diff := cmp.Diff(want, owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, described); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
}
