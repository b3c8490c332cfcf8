package netstate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

func init() { roles["read without netlink"] = readWithoutNetlink }

// readWithoutNetlink prints the snapshot that its first argument, a query,
// asks for, from behind a filter that refuses netlink sockets. A second
// argument is the user to be then.
func readWithoutNetlink(arguments []string) {
	if len(arguments) > 1 {
		uid, err := strconv.Atoi(arguments[1])
		if err != nil {
			panic(err)
		}
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(uid), syscall.Setuid(uid)); err != nil {
			panic(err)
		}
	}
	if err := forbidNetlink(); err != nil {
		panic(err)
	}
	s := &Snapshot{}
	if err := json.Unmarshal([]byte(arguments[0]), &s.Query); err != nil {
		panic(err)
	}
	s.Policy.EphemeralPorts = policySnapshot().Policy.EphemeralPorts
	if err := readSockets(context.Background(), s); err != nil {
		panic(err)
	}
	json.NewEncoder(os.Stdout).Encode(s)
}

// forbidNetlink makes socket(AF_NETLINK, ...) fail with EPERM, in all threads
// and for good (seccomp(2)).
func forbidNetlink() error {
	const numberOffset, firstArgumentOffset = 0, 16 // struct seccomp_data, low half of args[0]
	const refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: numberOffset},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SOCKET, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: firstArgumentOffset},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.AF_NETLINK, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: refuse},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&filter)))
	if errno != 0 {
		return errno
	}
	return nil
}

// snapshotWithoutNetlink reads in another process, where netlink is refused.
func snapshotWithoutNetlink(t *testing.T, endpoints ...Endpoint) *Snapshot {
	t.Helper()
	query, err := json.Marshal(Query{Endpoints: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	_, line := netstatetest.Start(t, "read without netlink", string(query))
	s := &Snapshot{}
	if err := json.Unmarshal([]byte(line), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// poorer is what the fallback knows of a row: this process owns it.
func (s *testSocket) poorer(state State, origin Origin) Socket {
	s.t.Helper()
	row := s.tcp(state, origin)
	row.Inode, row.Cookie, row.UID, row.Options = 0, 0, nil, Options{}
	row.Owners = []Owner{{PID: os.Getpid(), FDs: []int{s.fd}}}
	return row
}

func TestWithoutNetlink(t *testing.T) {
	c := newConnection(t)
	bound := newTCP4(t).bind("127.0.0.1:0")
	other := newConnection(t)
	waiting := other.client.poorer(StateTimeWait, "")
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
	const why = "the system refused NETLINK_SOCK_DIAG (operation not permitted), so /proc/net was read, which lacks them"
	want := []Limit{
		{Kind: LimitSource, Why: why, What: "all but one of several tcp sockets that share an address (SO_REUSEPORT, SO_REUSEADDR)"},
		{Kind: LimitSource, Why: why, What: "all but one of several owners of a tcp socket"},
		{Kind: LimitSource, Why: why, What: "the users of tcp sockets whose owner is hidden"},
		{Kind: LimitSource, Why: why, What: "the inodes, interfaces, IPV6_V6ONLY, queues and cgroups of tcp sockets"},
		{Kind: LimitSource, Why: why, What: "the remaining times of TIME_WAIT and FIN_WAIT2"},
		{Kind: LimitSource, Why: why, What: "which tcp connections were accepted and which were opened here"},
		{Kind: LimitSource, Why: why, What: "the other ends of tcp connections that wait for a close"},
		{Kind: LimitBound, Why: why, What: "TCP sockets that are bound and neither listen nor are connected"},
	}
	if diff := cmp.Diff(want, procTableLimits(TCP, os.NewSyscallError("socket", unix.EPERM))); diff != "" {
		t.Errorf("TCP (-want +got):\n%s", diff)
	}
	var udp []string
	for _, limit := range procTableLimits(UDP, unix.ENOENT) {
		udp = append(udp, limit.What)
	}
	if len(udp) != 4 || !slices.Contains(udp, "all but one of several owners of a udp socket") {
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
	listener := newTCP4(t).bind("127.0.0.1:0").listen(8)
	query := fmt.Sprintf(`{"endpoints":[{"network":"tcp","port":%d}]}`, listener.local().Port())
	_, line := netstatetest.Start(t, "read without netlink", query, "65534")
	s := &Snapshot{}
	if err := json.Unmarshal([]byte(line), s); err != nil {
		t.Fatal(err)
	}
	want := listener.poorer(StateListen, OriginBind)
	want.Owners = nil
	compareSockets(t, s.Sockets, want)
}
