package trace

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"portdoc/netstate/netns"
	"portdoc/netstate/netstatetest"
)

// crampedPorts is a range of four ports.
const crampedPorts = "40000 40003"

// cramped traces a connector in a network of its own, whose ephemeral range is
// four ports, and prints the connects that are told of.
func cramped(arguments []string) {
	must(netns.LoopbackUp())
	must(os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(crampedPorts), 0))
	if arguments[0] == "no IPv6" {
		must(os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0))
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:5000")
	must(err)
	defer listener.Close()
	r := new(recorder)
	tracer, err := New(r.handler())
	must(err)
	defer tracer.Close()
	command := netstatetest.Command("connector", arguments...)
	command.Stdout = os.Stdout
	must(tracer.Start(command.Run))
	tracer.Finish(closeLimit)
	for _, call := range append(r.failed, r.fine...) {
		if call.Op != Bind {
			fmt.Printf("%s %s of pid %t, no address %t, ports %d to %d\n",
				call.Op, call.Remote, call.PID == command.Process.Pid, call.NoAddress, call.FirstPort, call.LastPort)
		}
	}
	for _, err := range r.blind {
		fmt.Println(err)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// attempt is a connect that a connector makes.
type attempt struct {
	socket func() int
	remote unix.Sockaddr
}

var full = loopback(5000)

func remote6(address string) unix.Sockaddr {
	return &unix.SockaddrInet6{Addr: [16]byte(net.ParseIP(address).To16()), Port: 5000}
}

func socketOf(family, kind, protocol int) func() int {
	return func() int {
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
		must(err)
		return fd
	}
}

func limited() int {
	fd, first, last := tcpSocket(), uint32(40001), uint32(40002)
	must(unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE, int(int32(last<<16|first)))) // 32 bits on every machine
	return fd
}

// fromSource has a source address without a port.
func fromSource() int {
	fd := tcpSocket()
	must(unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1))
	must(unix.Bind(fd, loopback(0)))
	return fd
}

func bound() int {
	fd := tcpSocket()
	must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	must(unix.Bind(fd, loopback(5001)))
	return fd
}

var stream4 = socketOf(unix.AF_INET, unix.SOCK_STREAM, 0)

var attempts = map[string]attempt{
	"full":           {stream4, full},
	"non-blocking":   {socketOf(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0), full},
	"mapped":         {socketOf(unix.AF_INET6, unix.SOCK_STREAM, 0), remote6("::ffff:127.0.0.1")},
	"limited":        {limited, full},
	"source":         {fromSource, full},
	"refused":        {stream4, loopback(9)},
	"unreachable":    {stream4, &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}, Port: 5000}},
	"unreachable v6": {socketOf(unix.AF_INET6, unix.SOCK_STREAM, 0), remote6("2001:db8::1")},
	"udp":            {socketOf(unix.AF_INET, unix.SOCK_DGRAM, 0), full},
	"unix":           {socketOf(unix.AF_UNIX, unix.SOCK_STREAM, 0), &unix.SockaddrUnix{Name: "/nothing.here"}},
	"no IPv6":        {socketOf(unix.AF_INET6, unix.SOCK_STREAM, 0), remote6("::1")},
	"wrong family":   {stream4, remote6("::1")},
	"bound":          {bound, full},
}

// connector takes a number of ports with connections to the full server, makes
// an attempt and prints how that went.
func connector(arguments []string) {
	ports, err := strconv.Atoi(arguments[1])
	must(err)
	for range ports {
		must(unix.Connect(tcpSocket(), full))
	}
	a := attempts[arguments[0]]
	err = unix.Connect(a.socket(), a.remote)
	fmt.Println(unix.ErrnoName(asErrno(err)))
}

func asErrno(err error) unix.Errno { errno, _ := err.(unix.Errno); return errno }

// TestConnect: a connect without a source port or address is told, and no other
// is, whatever becomes of it.
func TestConnect(t *testing.T) {
	const noPort = "connect 127.0.0.1:5000 of pid true, no address false, ports 0 to 0\n"
	for _, test := range []struct {
		name  string
		ports int
		want  string
	}{
		{"full", 4, "EADDRNOTAVAIL\n" + noPort},
		{"full", 3, "\n"},
		{"non-blocking", 4, "EADDRNOTAVAIL\n" + noPort},
		{"non-blocking", 3, "EINPROGRESS\n"},
		{"mapped", 4, "EADDRNOTAVAIL\n" + strings.Replace(noPort, "127.0.0.1:", "[::ffff:127.0.0.1]:", 1)},
		{"limited", 4, "EADDRNOTAVAIL\n" + strings.Replace(noPort, "0 to 0", "40001 to 40002", 1)},
		{"source", 4, "EADDRNOTAVAIL\n" + noPort},
		{"source", 3, "\n"},
		{"refused", 4, "ECONNREFUSED\n"}, // for this destination the ports are free
		{"unreachable", 4, "ENETUNREACH\n"},
		{"unreachable v6", 4, "ENETUNREACH\n"},
		{"udp", 4, "\n"},
		{"unix", 4, "ENOENT\n"},
		{"no IPv6", 0, "EADDRNOTAVAIL\nconnect [::1]:5000 of pid true, no address true, ports 0 to 0\n"},
		{"wrong family", 4, "EAFNOSUPPORT\n"},
		{"bound", 4, "\n"},
	} {
		t.Run(fmt.Sprintf("%s beside %d", test.name, test.ports), func(t *testing.T) {
			t.Parallel()
			command := netstatetest.Command("cramped", test.name, strconv.Itoa(test.ports))
			command.SysProcAttr = netns.New()
			out, err := command.Output()
			if diff := cmp.Diff(test.want, string(out)); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

const connections = 1000

// connectLoop connects again and again from several threads, and prints what
// it has got: also by sockets that are closed at once, that do not wait, and
// that nobody answers. Its argument is a port that is listened on.
func connectLoop(arguments []string) {
	port, err := strconv.Atoi(arguments[0])
	must(err)
	var all sync.WaitGroup
	outcomes := make([]map[string]int, 4)
	for i := range outcomes {
		outcomes[i] = make(map[string]int)
		all.Go(func() {
			for n := range connections / len(outcomes) {
				outcomes[i][connectOnce(n, port)]++
			}
		})
	}
	all.Wait()
	total := make(map[string]int)
	for _, some := range outcomes {
		for outcome, n := range some {
			total[outcome] += n
		}
	}
	fmt.Println(total)
}

// connectOnce is one of four kinds of connect.
func connectOnce(n, port int) string {
	kind, remote := unix.SOCK_STREAM, unix.Sockaddr(loopback(port))
	switch n % 4 {
	case 1:
		kind |= unix.SOCK_NONBLOCK
	case 2:
		remote = loopback(1)
	case 3:
		kind = unix.SOCK_DGRAM
	}
	fd := socketOf(unix.AF_INET, kind, 0)()
	defer unix.Close(fd)
	err := unix.Connect(fd, remote)
	if err == unix.EINPROGRESS {
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		for set[0].Revents == 0 {
			unix.Poll(set, -1)
		}
		value, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		return fmt.Sprintf("in progress and then %d", value)
	}
	return fmt.Sprint(err)
}

// TestConnectLoop: many connects end as they do without a tracer, and nothing
// is told of them.
func TestConnectLoop(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	plain, err := netstatetest.Command("connect-loop", port).Output()
	if err != nil {
		t.Fatal(err)
	}
	r, output := traced(t, "connect-loop", port)
	if output != string(plain) {
		t.Errorf("under a tracer %s, without %s", output, plain)
	}
	if len(r.failed)+len(r.fine) > 0 {
		t.Errorf("told of %v and %v", r.failed, r.fine)
	}
}

// TestWithoutConnect: on a kernel that can't make signals wait, connects pass
// and binds do not.
func TestWithoutConnect(t *testing.T) {
	filter := withoutConnect(program(1))
	for number, want := range map[uint32]uint32{
		unix.SYS_CONNECT: unix.SECCOMP_RET_ALLOW, unix.SYS_GETPID: unix.SECCOMP_RET_ALLOW,
		unix.SYS_BIND: unix.SECCOMP_RET_USER_NOTIF, unix.SYS_LISTEN: unix.SECCOMP_RET_USER_NOTIF,
	} {
		if got := decide(filter, map[uint32]uint32{dataArchitecture: 1, dataNumber: number, dataLength: lengthIPv4}); got != want {
			t.Errorf("call %d: %#x, want %#x", number, got, want)
		}
	}
}

// TestProgram: the filter hands over what it says, and nothing else.
func TestProgram(t *testing.T) {
	const handed, passes = unix.SECCOMP_RET_USER_NOTIF, unix.SECCOMP_RET_ALLOW
	for _, test := range []struct {
		architecture, number, length uint32
		want                         uint32
	}{
		{1, unix.SYS_BIND, 0, handed},
		{1, unix.SYS_LISTEN, 0, handed},
		{1, unix.SYS_CONNECT, lengthIPv4, handed},
		{1, unix.SYS_CONNECT, lengthIPv6, handed},
		{1, unix.SYS_CONNECT, lengthStorage, handed},
		{1, unix.SYS_CONNECT, unix.SizeofSockaddrUnix, passes},
		{1, unix.SYS_CONNECT, 0, passes},
		{1, unix.SYS_GETPID, lengthIPv4, passes},
		{1, unix.SYS_BIND | x32Bit, 0, passes},
		{2, unix.SYS_BIND, 0, passes},
		{2, unix.SYS_CONNECT, lengthIPv4, passes},
	} {
		got := decide(program(1), map[uint32]uint32{dataArchitecture: test.architecture, dataNumber: test.number, dataLength: test.length})
		if got != test.want {
			t.Errorf("call %d of architecture %d with length %d: %#x, want %#x", test.number, test.architecture, test.length, got, test.want)
		}
	}
}

// decide runs a filter as the kernel does.
func decide(filter []unix.SockFilter, data map[uint32]uint32) uint32 {
	var a uint32
	for i := 0; ; i++ {
		step, holds := filter[i], false
		switch step.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = data[step.K]
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			holds = a == step.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			holds = a >= step.K
		default:
			return step.K
		}
		if holds {
			i += int(step.Jt)
		} else {
			i += int(step.Jf)
		}
	}
}

// TestUnixConnect: a unix socket's connect passes without this process.
func TestUnixConnect(t *testing.T) {
	path := fmt.Sprintf("@a name that is longer than an address of IPv6, %d", os.Getpid())
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tracer, err := New((&recorder{}).handler())
	if err != nil {
		t.Fatal(err)
	}
	defer tracer.Close()
	must(tracer.Start(func() error {
		before := tracer.progress.last.Load()
		err := unix.Connect(socketOf(unix.AF_UNIX, unix.SOCK_STREAM, 0)(), &unix.SockaddrUnix{Name: path})
		if tracer.progress.last.Load() != before {
			t.Error("the connect was handed over")
		}
		return err
	}))
}

// benchmarkConnect connects to a server that takes no connection and refuses
// none for want of room: its queue never fills, as each is reset at once.
func benchmarkConnect(b *testing.B, start func(func() error) error) {
	listener := tcpSocket()
	defer unix.Close(listener)
	must(unix.Bind(listener, loopback(0)))
	must(unix.Listen(listener, 4096))
	address, _ := unix.Getsockname(listener)
	must(start(func() error {
		for b.Loop() {
			fd := tcpSocket()
			must(unix.Connect(fd, address))
			server, _, err := unix.Accept(listener)
			must(err)
			must(unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
			unix.Close(fd)
			unix.Close(server)
		}
		return nil
	}))
}

// BenchmarkConnectAlone is a connection of a process that nobody watches.
func BenchmarkConnectAlone(b *testing.B) {
	benchmarkConnect(b, func(connect func() error) error { return connect() })
}

// BenchmarkConnect is one of a process that is watched.
func BenchmarkConnect(b *testing.B) {
	tracer, err := New((&recorder{}).handler())
	if err != nil {
		b.Fatal(err)
	}
	defer tracer.Close()
	benchmarkConnect(b, tracer.Start)
}
