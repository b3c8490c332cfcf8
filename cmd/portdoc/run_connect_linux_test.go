package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"portdoc/netstate"
	"portdoc/netstate/netns"
	"portdoc/netstate/netstatetest"
)

func init() {
	roles["cramped"] = crampedRole
	roles["dialer"] = dialerRole
}

// crampedServer is what listens in the network of [crampedRole].
const crampedServer = "127.0.0.1:5000"

// crampedRole makes a network whose ephemeral range is four ports, all with a
// connection to a server, and runs a command under portdoc there.
func crampedRole(arguments []string) {
	must(netns.LoopbackUp())
	set("net/ipv4/ip_local_port_range", "40000 40003")
	set("net/ipv6/conf/all/disable_ipv6", "1")
	server := new(puppet)
	server.listen([]string{crampedServer})
	for range 4 {
		server.connect([]string{"-", crampedServer})
	}
	command := exec.Command("portdoc", append([]string{"run", "--"}, arguments...)...)
	command.Env = append(os.Environ(), "PORTDOC_TEST_ROLE=")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.Run()
	fmt.Println(command.ProcessState)
}

// dialerRole connects to its arguments one after the other, prints what comes
// of it, and ends with status 3.
func dialerRole(arguments []string) {
	for _, argument := range arguments {
		address, times, _ := strings.Cut(argument, "*")
		n, _ := strconv.Atoi(times)
		var err error
		for range max(1, n) {
			fd := open(unix.SOCK_STREAM, address, nil)
			err = unix.Connect(fd, sockaddr(address))
			unix.Close(fd)
		}
		errno, _ := err.(unix.Errno)
		fmt.Println(unix.ErrnoName(errno))
	}
	os.Exit(3)
}

// dialer is the words of a command that runs [dialerRole].
func dialer(arguments ...string) []string {
	path, err := os.Executable()
	must(err)
	return append([]string{"env", "PORTDOC_TEST_ROLE=dialer", path}, arguments...)
}

// inCramped runs a command in the cramped network. What varies in what portdoc
// says is replaced.
func inCramped(t *testing.T, arguments ...string) (out, errors string) {
	t.Helper()
	command := netstatetest.Command("cramped", arguments...)
	command.SysProcAttr = netns.New()
	var complaint strings.Builder
	command.Stderr = &complaint
	printed, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`in \S+ \(pid \d+\)`).ReplaceAllString(complaint.String(), "in dialer (pid 1)")
	return string(printed), said
}

const noPortLeft = `
portdoc: connect 127.0.0.1:5000 failed in dialer (pid 1)

  No source port was left (EADDRNOTAVAIL): 4 of 4 are taken, 4 by connections to
  127.0.0.1:5000 (4 ESTABLISHED).

  ✗ no tcp port is left that the system could choose.

  Why
    The system chooses from the ports 40000 to 40003 (the ephemeral range), and
    finds none that is free. 4 of 4 are in use.

  What to do
    1. Let clients reuse their connections (keep-alive, a pool) instead of
       opening one for each request.
    2. Widen the range:
         sysctl -w net.ipv4.ip_local_port_range="16384 60999"

`

// TestRunConnect: a connect without a source port is explained once, however
// often it is made.
func TestRunConnect(t *testing.T) {
	t.Parallel()
	out, said := inCramped(t, dialer(crampedServer+"*1000")...)
	want := noPortLeft + "portdoc: connect for want of a source port failed again, 999 times\n"
	if diff := cmp.Diff(want, said); diff != "" || out != "EADDRNOTAVAIL\nexit status 3\n" {
		t.Errorf("printed %q (-want +got):\n%s", out, diff)
	}
}

// clientPrograms are real programs that connect to the server.
var clientPrograms = map[string][]string{
	"node":    {"-e", "require('net').connect(5000, '127.0.0.1')"},
	"python3": {"-c", "import socket; socket.create_connection(('127.0.0.1', 5000))"},
	"perl":    {"-MIO::Socket::INET", "-e", "IO::Socket::INET->new('127.0.0.1:5000') or die $@"},
	"bash":    {"-c", ": </dev/tcp/127.0.0.1/5000"},
}

func TestRunConnectPrograms(t *testing.T) {
	for name, arguments := range clientPrograms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(name); err != nil {
				t.Skipf("this machine has no %s", name)
			}
			out, said := inCramped(t, append([]string{name}, arguments...)...)
			if !strings.Contains(said, noPortLeft) || strings.Contains(out, "exit status 0") {
				t.Errorf("%s, and without the report:\n%s", out, said)
			}
		})
	}
}

// TestRunConnectNoAddress: as is one that has no source address.
func TestRunConnectNoAddress(t *testing.T) {
	t.Parallel()
	out, said := inCramped(t, dialer("[::1]:5000*2", "[2001:db8::1]:80")...)
	want := `portdoc: connect [::1]:5000 failed in dialer (pid 1): no interface has an IPv6 address that it could come from (EADDRNOTAVAIL)
portdoc: connect for want of an IPv6 source address failed again, 2 times
`
	if diff := cmp.Diff(want, said); diff != "" || out != "EADDRNOTAVAIL\nEADDRNOTAVAIL\nexit status 3\n" {
		t.Errorf("printed %q (-want +got):\n%s", out, diff)
	}
}

// TestRunConnectOther: connects that fail otherwise are not.
func TestRunConnectOther(t *testing.T) {
	t.Parallel()
	out, said := inCramped(t, dialer("127.0.0.1:1", "192.0.2.1:80")...)
	if out != "ECONNREFUSED\nENETUNREACH\nexit status 3\n" || said != "" {
		t.Errorf("printed %q, said %q", out, said)
	}
}

func TestSourcePortsText(t *testing.T) {
	t.Parallel()
	remote := netip.MustParseAddrPort("10.0.0.5:6379")
	for _, test := range []struct {
		ports sourcePorts
		want  string
	}{
		{sourcePorts{available: 4, used: 4}, "4 of 4 are taken"},
		{sourcePorts{remote: remote, available: 28232, used: 28231, toRemote: map[netstate.State]int{"TIME_WAIT": 28000, "ESTABLISHED": 12}},
			"28231 of 28232 are taken, 28012 by connections to 10.0.0.5:6379 (12 ESTABLISHED, 28000 TIME_WAIT)"},
		{sourcePorts{limited: true, available: 2, used: 2}, "the program allows the socket few (IP_LOCAL_PORT_RANGE), and 2 of 2 are taken"},
	} {
		if got := test.ports.text(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestExhausted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		used, available int
		want            bool
	}{{4, 4, true}, {3, 4, false}, {28232, 28232, true}, {27950, 28232, true}, {27949, 28232, false}, {0, 0, false}} {
		if got := exhausted(test.used, test.available); got != test.want {
			t.Errorf("%d of %d: %t", test.used, test.available, got)
		}
	}
}

// TestRunConnects: a program that only connects is let alone.
func TestRunConnects(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	must(err)
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
	words := dialer(listener.Addr().String()+"*1000", "127.0.0.1:1*100")
	plain, watched := execute(t, words...), underRun(t, words...)
	if plain != watched || watched.status != 3 {
		t.Errorf("%+v, and under run %+v", plain, watched)
	}
}
