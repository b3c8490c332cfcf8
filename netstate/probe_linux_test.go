package netstate

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"portdoc/netstate/netns"
	"portdoc/netstate/netstatetest"
)

func init() {
	roles["probe without capabilities"] = func([]string) {
		dropCapabilities()
		printJSON(Probe([]BindRequest{request(TCP, "127.0.0.1", 1)}))
	}
	roles["probe of port 1"] = func([]string) {
		printJSON(Probe([]BindRequest{request(TCP, "127.0.0.1", 1)}))
	}
	roles["probe without a family"] = func([]string) {
		refuseSockets(unix.AF_INET6, unix.EAFNOSUPPORT)
		printJSON(Probe([]BindRequest{request(TCP, "::1", 0), request(TCP, "127.0.0.1", 0)}))
	}
	roles["probe of both kinds of IPv6"] = func(arguments []string) {
		must(netns.LoopbackUp())
		must(os.WriteFile("/proc/sys/net/ipv6/bindv6only", []byte(arguments[0]), 0))
		held, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		must(err)
		must(unix.Bind(held, &unix.SockaddrInet4{Port: 5188}))
		dual, only := request(TCP, "::", 5188), request(TCP, "::", 5188)
		only.V6Only = true
		printJSON(Probe([]BindRequest{dual, only, dual}))
	}
	roles["probe in a full process"] = func([]string) {
		must(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: 0}))
		printJSON(Probe([]BindRequest{request(TCP, "127.0.0.1", 0)}))
	}
}

func request(network Network, address string, port uint16) BindRequest {
	return BindRequest{Network: network, Address: netip.MustParseAddr(address), Port: port}
}

// portHolder has a port until the test ends. Its options are socket options of
// SOL_SOCKET, and V6ONLY is as asked.
type portHolder struct {
	network Network
	address string
	options []int
	v6only  bool
	listens bool
}

// open returns the port that the holder got.
func (h portHolder) open(t *testing.T) uint16 {
	t.Helper()
	r := request(h.network, h.address, portFreeEverywhere(t))
	r.V6Only = h.v6only
	fd, err := probeSocket(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := new(systemProber).setOptions(fd, r); err != nil {
		t.Fatal(err)
	}
	for _, option := range h.options {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			t.Fatal(err)
		}
	}
	address, _ := new(systemProber).socketAddress(r)
	if err := unix.Bind(fd, address); err != nil {
		t.Fatal(err)
	}
	if h.listens {
		if err := unix.Listen(fd, 1); err != nil {
			t.Fatal(err)
		}
	}
	return boundPort(t, fd)
}

// portFreeEverywhere is a port that nobody has on any address: one that the
// kernel picks for a single address or family may be taken on another.
func portFreeEverywhere(t *testing.T) uint16 {
	t.Helper()
	r := request(TCP, "::", 0)
	fd, err := probeSocket(r)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	address, _ := new(systemProber).socketAddress(r)
	if err := errors.Join(new(systemProber).setOptions(fd, r), unix.Bind(fd, address)); err != nil {
		t.Fatal(err)
	}
	return boundPort(t, fd)
}

func boundPort(t *testing.T, fd int) uint16 {
	t.Helper()
	switch address, err := unix.Getsockname(fd); address := address.(type) {
	case *unix.SockaddrInet4:
		return uint16(address.Port)
	case *unix.SockaddrInet6:
		return uint16(address.Port)
	default:
		t.Fatal(address, err)
		return 0
	}
}

// asked are the requests that a report makes of one address.
func asked(network Network, address string, port uint16) []BindRequest {
	plain := request(network, address, port)
	reuseAddr, reusePort := plain, plain
	reuseAddr.ReuseAddr, reusePort.ReusePort = true, true
	return []BindRequest{plain, reuseAddr, reusePort}
}

func TestProbeAgainstHolders(t *testing.T) {
	const inUse = "EADDRINUSE"
	reuseAddr, reusePort := []int{unix.SO_REUSEADDR}, []int{unix.SO_REUSEPORT}
	for _, test := range []struct {
		name    string
		holder  portHolder
		address string
		want    []string // of a plain bind, with SO_REUSEADDR, with SO_REUSEPORT
	}{
		{"listener", portHolder{network: TCP, address: "127.0.0.1", listens: true}, "127.0.0.1", []string{inUse, inUse, inUse}},
		{"listener, wildcard", portHolder{network: TCP, address: "0.0.0.0", listens: true}, "127.0.0.1", []string{inUse, inUse, inUse}},
		{"listener, reuseaddr", portHolder{network: TCP, address: "127.0.0.1", listens: true, options: reuseAddr}, "127.0.0.1", []string{inUse, inUse, inUse}},
		{"listener, reuseport", portHolder{network: TCP, address: "127.0.0.1", listens: true, options: reusePort}, "127.0.0.1", []string{inUse, inUse, "ok"}},
		{"bound", portHolder{network: TCP, address: "127.0.0.1"}, "127.0.0.1", []string{inUse, inUse, inUse}},
		{"bound, reuseaddr", portHolder{network: TCP, address: "127.0.0.1", options: reuseAddr}, "127.0.0.1", []string{inUse, "ok", inUse}},
		{"other address", portHolder{network: TCP, address: "127.0.0.2", listens: true}, "127.0.0.1", []string{"ok"}},
		{"other network", portHolder{network: UDP, address: "127.0.0.1"}, "127.0.0.1", []string{"ok"}},
		{"dual stack", portHolder{network: TCP, address: "::", listens: true}, "0.0.0.0", []string{inUse, inUse, inUse}},
		{"v6only", portHolder{network: TCP, address: "::", v6only: true, listens: true}, "0.0.0.0", []string{"ok"}},
		{"v4 and dual stack", portHolder{network: TCP, address: "0.0.0.0", listens: true}, "::", []string{inUse, inUse, inUse}},
		{"mapped", portHolder{network: TCP, address: "127.0.0.1", listens: true}, "::ffff:127.0.0.1", []string{inUse, inUse, inUse}},
	} {
		t.Run(test.name, func(t *testing.T) {
			requests := asked(TCP, test.address, test.holder.open(t))
			var want []BindOutcome
			for i, result := range test.want {
				want = append(want, BindOutcome{Request: requests[i], Result: result})
			}
			if diff := cmp.Diff(want, Probe(requests), compareAddresses); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestProbeV6Only(t *testing.T) {
	port := portHolder{network: TCP, address: "0.0.0.0", listens: true}.open(t)
	dual, only := request(TCP, "::", port), request(TCP, "::", port)
	only.V6Only = true
	want := []BindOutcome{{dual, "EADDRINUSE"}, {only, "ok"}}
	if diff := cmp.Diff(want, Probe([]BindRequest{dual, only}), compareAddresses); diff != "" {
		t.Error(diff)
	}
}

// TestProbeWhateverTheDefault: what new sockets have by sysctl bindv6only makes
// no difference.
func TestProbeWhateverTheDefault(t *testing.T) {
	for _, setting := range []string{"0", "1"} {
		command := netstatetest.Command("probe of both kinds of IPv6", setting)
		command.SysProcAttr = netns.New()
		var got []string
		for _, outcome := range ask[[]BindOutcome](t, command) {
			got = append(got, outcome.Result)
		}
		if want := []string{"EADDRINUSE", "ok", "EADDRINUSE"}; !slices.Equal(got, want) {
			t.Errorf("bindv6only=%s: %q, want %q", setting, got, want)
		}
	}
}

// A UDP socket with these options would take datagrams from the holder.
func TestProbeLeavesUDPAlone(t *testing.T) {
	for _, options := range [][]int{nil, {unix.SO_REUSEADDR}, {unix.SO_REUSEPORT}} {
		requests := asked(UDP, "127.0.0.1", portHolder{network: UDP, address: "127.0.0.1", options: options}.open(t))
		want := []BindOutcome{{requests[0], "EADDRINUSE"}}
		if diff := cmp.Diff(want, Probe(requests), compareAddresses); diff != "" {
			t.Error(diff)
		}
		if got := Probe(requests[1:]); got != nil {
			t.Errorf("without the plain one: %+v", got)
		}
	}
}

func TestProbeErrors(t *testing.T) {
	port := portHolder{network: TCP, address: "127.0.0.9"}.open(t)
	mapped := request(TCP, "::ffff:127.0.0.1", port)
	mapped.V6Only = true
	device, noDevice := request(TCP, "127.0.0.1", port), request(TCP, "127.0.0.1", port)
	device.Device, noDevice.Device = "lo", "nosuchdevice"
	for _, test := range []struct {
		request BindRequest
		want    string
	}{
		{request(TCP, "192.0.2.1", port), "EADDRNOTAVAIL"},
		{request(UDP, "192.0.2.1", port), "EADDRNOTAVAIL"},
		{request(TCP, "2001:db8::1", port), "EADDRNOTAVAIL"},
		{request(TCP, "fe80::1", port), "EINVAL"}, // a link-local address needs a zone
		{request(TCP, "fe80::1%1", port), "EADDRNOTAVAIL"},
		{request(TCP, "fe80::1%lo", port), "EADDRNOTAVAIL"},
		{mapped, "EINVAL"},
		{device, "ok"},
		{noDevice, "ENODEV"},
	} {
		got := Probe([]BindRequest{test.request})
		if diff := cmp.Diff([]BindOutcome{{test.request, test.want}}, got, compareAddresses); diff != "" {
			t.Error(diff)
		}
	}
}

func TestProbeNotTried(t *testing.T) {
	exclusive := request(TCP, "127.0.0.1", 0)
	exclusive.Exclusive = true
	for _, r := range []BindRequest{
		{Network: TCP}, // no address
		{Network: Unix, Address: netip.MustParseAddr("127.0.0.1")},
		request(TCP, "fe80::1%nosuchdevice", 0),
		exclusive,
	} {
		if got := Probe([]BindRequest{r}); got != nil {
			t.Errorf("%+v", got)
		}
	}
	if got := ask[[]BindOutcome](t, netstatetest.Command("probe in a full process")); got != nil {
		t.Errorf("without descriptors: %+v", got)
	}
}

func TestProbePrivilegedPort(t *testing.T) {
	privileged := []BindRequest{request(TCP, "127.0.0.1", 1)}
	if got := Probe(privileged); len(got) != 1 || got[0].Result != "ok" {
		t.Errorf("with the capability: %+v", got)
	}
	foreign := netstatetest.Command("probe of port 1")
	root := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	foreign.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: root, GidMappings: root}
	if got := ask[[]BindOutcome](t, foreign); len(got) != 1 || got[0].Result != "EACCES" {
		t.Errorf("in a foreign network: %+v", got)
	}
	without := netstatetest.Command("probe without capabilities")
	if got := ask[[]BindOutcome](t, without); len(got) != 1 || got[0].Result != "EACCES" {
		t.Errorf("without: %+v", got)
	}
}

func TestProbeWithoutFamily(t *testing.T) {
	needsSocketFilter(t)
	got := ask[[]BindOutcome](t, netstatetest.Command("probe without a family"))
	if len(got) != 2 || got[0].Result != "EAFNOSUPPORT" || got[1].Result != "ok" {
		t.Errorf("%+v", got)
	}
}

func TestProbeSocketIsNotInherited(t *testing.T) {
	fd, err := probeSocket(request(TCP, "127.0.0.1", 0))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags != unix.FD_CLOEXEC || err != nil {
		t.Errorf("flags %#x, %v", flags, err)
	}
}

func TestProbeLeavesNothing(t *testing.T) {
	port := portHolder{network: TCP, address: "127.0.0.9"}.open(t)
	requests := append(asked(TCP, "127.0.0.1", port), asked(UDP, "::1", port)...)
	before := descriptors(t)
	for range 100 {
		for _, outcome := range Probe(requests) {
			if outcome.Result != "ok" {
				t.Fatalf("%+v", outcome)
			}
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

// A UDP holder gets every datagram that is sent to it while it is probed.
func TestProbeTakesNoTraffic(t *testing.T) {
	r := request(UDP, "127.0.0.1", 0)
	receiver, err := probeSocket(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(receiver) })
	if err := unix.SetsockoptInt(receiver, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	address, _ := new(systemProber).socketAddress(r)
	if err := unix.Bind(receiver, address); err != nil {
		t.Fatal(err)
	}
	port := boundPort(t, receiver)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				Probe(asked(UDP, "127.0.0.1", port))
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(port)}
	for i := range 5000 {
		if err := unix.Sendto(receiver, []byte{1}, 0, to); err != nil {
			t.Fatal(err)
		}
		if n, _, err := unix.Recvfrom(receiver, make([]byte, 1), unix.MSG_DONTWAIT); n != 1 {
			t.Fatalf("datagram %d: %v", i, err)
		}
	}
}

func BenchmarkProbe(b *testing.B) {
	requests := []BindRequest{request(TCP, "0.0.0.0", 5188), request(TCP, "::", 5188)}
	for b.Loop() {
		if got := Probe(requests); len(got) != 2 {
			b.Fatal(got)
		}
	}
}
