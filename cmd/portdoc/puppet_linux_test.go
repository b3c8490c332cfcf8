package main

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

func init() {
	roles["puppet"] = func([]string) { (&puppet{}).obey() }
}

// puppet is a process that makes sockets on demand: it reads a command a line
// and answers with a line. Its sockets are numbered from 0 in the order in
// which they were made. It uses plain system calls, so nothing but what a
// test asks for is set on a socket.
type puppet struct{ sockets []int }

// commands are what a puppet understands, by their first word.
func (p *puppet) commands() map[string]func(arguments []string) string {
	return map[string]func([]string) string{
		"bind":     p.bind,    // bind NETWORK ADDRESS [OPTION...] -> local address
		"listen":   p.listen,  // listen ADDRESS [OPTION...] -> local address
		"connect":  p.connect, // connect LOCAL|- REMOTE [OPTION...] -> local address
		"accept":   p.accept,  // accept SOCKET
		"close":    p.close,   // close SOCKET
		"unix":     p.unix,    // unix PATH: listens
		"spawn":    p.spawn,   // spawn SOCKET PROGRAM [ARGUMENT...] -> pid
		"serve":    p.serve,   // serve ADDRESS -> pid and local address of a daemon
		"in-queue": p.inQueue, // in-queue SOCKET: leaves it in flight only
		"trace":    p.trace,   // trace PID: stops it as a debugger does
		"hide":     p.hide,    // hide: only a tracer's privilege sees into it
	}
}

func (p *puppet) obey() {
	// A tracer is a thread: all commands run on this one.
	runtime.LockOSThread()
	fmt.Println("ready")
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		words := strings.Fields(input.Text())
		fmt.Println(p.commands()[words[0]](words[1:]))
	}
}

func (p *puppet) socket(word string) int {
	n, err := strconv.Atoi(word)
	must(err)
	return p.sockets[n]
}

func (p *puppet) keep(fd int) string {
	p.sockets = append(p.sockets, fd)
	local, err := unix.Getsockname(fd)
	must(err)
	return addressOf(local)
}

func (p *puppet) bind(arguments []string) string {
	kind := unix.SOCK_STREAM
	if arguments[0] == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd := open(kind, arguments[1], arguments[2:])
	must(unix.Bind(fd, sockaddr(arguments[1])))
	return p.keep(fd)
}

func (p *puppet) listen(arguments []string) string {
	local := p.bind(append([]string{"tcp"}, arguments...))
	must(unix.Listen(p.sockets[len(p.sockets)-1], 16))
	return local
}

func (p *puppet) connect(arguments []string) string {
	fd := open(unix.SOCK_STREAM, arguments[1], arguments[2:])
	if arguments[0] != "-" {
		must(unix.Bind(fd, sockaddr(arguments[0])))
	}
	must(unix.Connect(fd, sockaddr(arguments[1])))
	return p.keep(fd)
}

func (p *puppet) accept(arguments []string) string {
	fd, _, err := unix.Accept4(p.socket(arguments[0]), unix.SOCK_CLOEXEC)
	must(err)
	return p.keep(fd)
}

func (p *puppet) close(arguments []string) string {
	must(unix.Close(p.socket(arguments[0])))
	return "closed"
}

func (p *puppet) unix(arguments []string) string {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(err)
	must(unix.Bind(fd, &unix.SockaddrUnix{Name: arguments[0]}))
	must(unix.Listen(fd, 1))
	p.sockets = append(p.sockets, fd)
	return "listening"
}

func (p *puppet) spawn(arguments []string) string {
	command := exec.Command(arguments[1], arguments[2:]...)
	command.ExtraFiles = []*os.File{os.NewFile(uintptr(p.socket(arguments[0])), "socket")}
	must(command.Start())
	return strconv.Itoa(command.Process.Pid)
}

func (p *puppet) serve(arguments []string) string {
	command := netstatetest.Command("daemon", arguments[0])
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	output, err := command.StdoutPipe()
	must(err)
	must(command.Start())
	local, err := bufio.NewReader(output).ReadString('\n')
	must(err)
	return strconv.Itoa(command.Process.Pid) + " " + strings.TrimSpace(local)
}

func init() {
	roles["daemon"] = func(arguments []string) {
		fd := open(unix.SOCK_STREAM, arguments[0], []string{"inheritable"})
		must(unix.Bind(fd, sockaddr(arguments[0])))
		must(unix.Listen(fd, 1))
		local, err := unix.Getsockname(fd)
		must(err)
		fmt.Println(addressOf(local))
		unix.Accept(fd)
	}
}

func (p *puppet) inQueue(arguments []string) string {
	fd := p.socket(arguments[0])
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(err)
	must(unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(fd), nil, 0))
	must(unix.Close(fd))
	return "in flight"
}

func (p *puppet) trace(arguments []string) string {
	pid, err := strconv.Atoi(arguments[0])
	must(err)
	must(unix.PtraceSeize(pid))
	must(unix.PtraceInterrupt(pid))
	var status unix.WaitStatus
	_, err = unix.Wait4(pid, &status, unix.WALL, nil)
	must(err)
	return "stopped it"
}

func (p *puppet) hide([]string) string {
	must(unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
	return "hidden"
}

// open makes a socket of the family of address and sets the named options.
func open(kind int, address string, options []string) int {
	family := unix.AF_INET
	if a := netip.MustParseAddrPort(address).Addr(); a.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	must(err)
	for _, option := range options {
		switch option {
		case "reuseaddr":
			must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
		case "reuseport":
			must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
		case "v6only":
			must(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1))
		case "inheritable":
			_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
			must(err)
		default:
			panic("no such option: " + option)
		}
	}
	return fd
}

func sockaddr(text string) unix.Sockaddr {
	address := netip.MustParseAddrPort(text)
	if address.Addr().Is6() {
		return &unix.SockaddrInet6{Addr: address.Addr().As16(), Port: int(address.Port())}
	}
	return &unix.SockaddrInet4{Addr: address.Addr().As4(), Port: int(address.Port())}
}

func addressOf(address unix.Sockaddr) string {
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
	}
	return "unix"
}

// must ends a role whose system call failed; the test then misses its line.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// handle is a test's end of a puppet.
type handle struct {
	*netstatetest.Process
	t testing.TB
}

func newPuppet(t testing.TB) handle {
	t.Helper()
	process, _ := netstatetest.Start(t, "puppet")
	return handle{process, t}
}

// do sends a command and returns the answer.
func (h handle) do(words ...string) string {
	h.t.Helper()
	h.Tell(h.t, strings.Join(words, " "))
	return h.Line(h.t)
}

// pid is the puppet's process id.
func (h handle) pid() int { return h.Cmd.Process.Pid }

// signal sends a signal to the puppet, and for one that stops it waits until
// it has stopped.
func (h handle) signal(signal syscall.Signal) {
	h.t.Helper()
	must(h.Cmd.Process.Signal(signal))
	if signal == syscall.SIGSTOP {
		// WNOWAIT leaves the status to be collected when the puppet ends.
		must(unix.Waitid(unix.P_PID, h.pid(), nil, unix.WSTOPPED|unix.WNOWAIT, nil))
	}
}

// portOf returns the port of an address, for a command line.
func portOf(address string) string {
	return strconv.Itoa(int(netip.MustParseAddrPort(address).Port()))
}

// endLater kills a process, that is no child of this one, after the test.
func endLater(t testing.TB, pid string) int {
	n, err := strconv.Atoi(pid)
	must(err)
	t.Cleanup(func() { syscall.Kill(n, syscall.SIGKILL) })
	return n
}
