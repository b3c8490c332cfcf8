package netstate

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"

	"portdoc/netstate/netstatetest"
)

func init() {
	roles["listener"] = func(arguments []string) {
		listener := listenVisibly(arguments[0])
		fmt.Println(listener.Addr())
		netstatetest.UntilInputEnds()
	}
}

// listenVisibly listens, and asks the socket for an option: Wine 8 names no
// process for one that was never asked.
func listenVisibly(address string) net.Listener {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	raw, err := listener.(*net.TCPListener).SyscallConn()
	if err != nil {
		panic(err)
	}
	raw.Control(func(fd uintptr) {
		var linger syscall.Linger
		size := int32(8)
		windows.Getsockopt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_LINGER, (*byte)(unsafe.Pointer(&linger)), &size)
	})
	return listener
}

// readPort takes a snapshot about a TCP port.
func readPort(t *testing.T, port uint16) *Snapshot {
	t.Helper()
	s, err := Read(t.Context(), Query{Endpoints: []Endpoint{{Network: TCP, Port: port}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
	return s
}

func (s *Snapshot) inState(state State) []Socket {
	return slices.DeleteFunc(slices.Clone(s.Sockets), func(s Socket) bool { return s.State != state })
}

func TestReadListenerOfAnotherProcess(t *testing.T) {
	process, line := netstatetest.Start(t, "listener", "127.0.0.1:0")
	address := netip.MustParseAddrPort(line)
	s := readPort(t, address.Port())
	listening := s.inState(StateListen)
	if len(listening) != 1 || listening[0].Local != address || len(listening[0].Owners) != 1 ||
		listening[0].Owners[0].PID != process.Process.Pid || len(s.Processes) != 1 {
		t.Fatalf("%+v", s)
	}
	p := s.Processes[0]
	if p.Name != executableName(t) || p.PPID != os.Getpid() || p.State != Running || !strings.EqualFold(p.Exe, selfPath(t)) ||
		p.User != s.Host.User || p.User == "" {
		t.Errorf("%+v, host %+v, limits %+v", p, s.Host, s.Limits)
	}
	// Wine 8 does not tell command lines, which is a limit then.
	limited := slices.ContainsFunc(s.Limits, func(l Limit) bool { return l.Kind == LimitProcess })
	if told := slices.Contains(p.Command, "127.0.0.1:0"); told == limited {
		t.Errorf("command %q, limits %+v", p.Command, s.Limits)
	}
	if len(p.Ancestors) == 0 || p.Ancestors[0] != os.Getpid() || p.Started.After(s.Taken) || s.Taken.Sub(p.Started).Hours() > 1 {
		t.Errorf("ancestors %v, started %v, taken %v", p.Ancestors, p.Started, s.Taken)
	}
}

func executableName(t *testing.T) string {
	path := selfPath(t)
	return path[strings.LastIndex(path, `\`)+1:]
}

func selfPath(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReadTimeWait: the side that closes first keeps TIME_WAIT, which belongs
// to no process.
func TestReadTimeWait(t *testing.T) {
	listener := listenVisibly("127.0.0.1:0")
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	client.Read(make([]byte, 1)) // until the end of the stream
	client.Close()
	listener.Close()
	port := server.LocalAddr().(*net.TCPAddr).AddrPort().Port()
	s := readPort(t, port)
	for range 50 { // the system may still have the client's FIN on its way
		if len(s.inState(StateFinWait1)) == 0 && len(s.inState(StateFinWait2)) == 0 {
			break
		}
		s = readPort(t, port)
	}
	waiting := s.inState(StateTimeWait)
	if len(waiting) != 1 || waiting[0].Remote.Port() != client.LocalAddr().(*net.TCPAddr).AddrPort().Port() ||
		len(waiting[0].Owners) != 0 || waiting[0].LastPID != 0 {
		t.Errorf("%+v", waiting)
	}
}

func TestReadSuspended(t *testing.T) {
	process, line := netstatetest.Start(t, "listener", "127.0.0.1:0")
	suspend(t, process.Process.Pid)
	s := readPort(t, netip.MustParseAddrPort(line).Port())
	if len(s.Processes) != 1 || s.Processes[0].State != Stopped {
		t.Errorf("%+v", s.Processes)
	}
}

// suspend suspends all threads of a process.
func suspend(t *testing.T, pid int) {
	t.Helper()
	handle, err := windows.OpenProcess(windows.PROCESS_SUSPEND_RESUME, false, uint32(pid))
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(handle)
	if status, _, _ := ntdll.NewProc("NtSuspendProcess").Call(uintptr(handle)); status != 0 {
		t.Fatal(windows.NTStatus(status))
	}
}

func TestReadPolicy(t *testing.T) {
	s := readPort(t, 1)
	p := s.Policy
	if s.Host.OS != "windows" || strings.Count(s.Host.Release, ".") != 2 || s.Host.User == "" {
		t.Errorf("host %+v", s.Host)
	}
	if p.IPv4 == nil || !*p.IPv4 || len(p.Addresses) == 0 {
		t.Errorf("policy %+v", p)
	}
	_, told := p.ExcludedPorts[TCP]
	limited := slices.ContainsFunc(s.Limits, func(l Limit) bool { return l.Kind == LimitPolicy && strings.Contains(l.What, "excluded") })
	if told == limited {
		t.Errorf("excluded ports are told: %v, and a limit: %v", told, limited)
	}
}

func TestReadServices(t *testing.T) {
	services, err := windowsCalls{}.services()
	if err != nil || len(services) == 0 {
		t.Fatalf("%v, %v", services, err)
	}
	tree, err := windowsCalls{}.processes()
	if err != nil {
		t.Fatal(err)
	}
	for pid, names := range services {
		if slices.Contains(names, "") || tree[pid] == nil {
			t.Errorf("the services %q in process %d", names, pid)
		}
	}
}
