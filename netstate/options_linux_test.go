package netstate

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// setOption sets an option of a socket of this process.
func setOption(t *testing.T, fd, level, name, value int) {
	t.Helper()
	if err := unix.SetsockoptInt(fd, level, name, value); err != nil {
		t.Fatal(err)
	}
}

// options reads the owners and options of sockets.
func options(t *testing.T, rows ...Socket) *Snapshot {
	t.Helper()
	s := owners(t, rows...)
	readOptions(s)
	return s
}

func TestOptionsOfOtherProcess(t *testing.T) {
	for _, value := range []bool{false, true} {
		listener := ownListener(t)
		number := map[bool]int{true: 1}[value]
		setOption(t, int(listener.Fd()), unix.SOL_SOCKET, unix.SO_REUSEADDR, number)
		setOption(t, int(listener.Fd()), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1-number)
		setOption(t, int(listener.Fd()), unix.SOL_IP, unix.IP_FREEBIND, number)
		listener.heldBy(t, "hold")
		before := descriptorCount(t)
		s := options(t, listener.row)
		want := Options{
			ReuseAddr: new(value), ReusePort: new(!value), FreeBind: new(value), Transparent: new(false),
		}
		if diff := cmp.Diff(want, s.Sockets[0].Options); diff != "" || len(s.Limits) != 0 {
			t.Errorf("limits %v, options (-want +got):\n%s", s.Limits, diff)
		}
		if after := descriptorCount(t); after != before {
			t.Errorf("%d descriptors are open, %d before", after, before)
		}
	}
}

func descriptorCount(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestOptionsOfIPv6Socket(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	setOption(t, fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 1)
	setOption(t, fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
	if err := unix.BindToDevice(fd, "lo"); err != nil {
		t.Fatal(err)
	}
	s := options(t, Socket{Network: UDP, Family: IPv6, State: StateUnconnected, Inode: inodeOf(t, fd)}) // no cookie
	want := Options{
		ReuseAddr: new(false), ReusePort: new(false), V6Only: new(true), FreeBind: new(true), Transparent: new(false),
	}
	if diff := cmp.Diff(want, s.Sockets[0].Options); diff != "" || s.Sockets[0].Device != "lo" {
		t.Errorf("device %q, options (-want +got):\n%s", s.Sockets[0].Device, diff)
	}
}

// TestOptionsOfReusedDescriptor gives a row the descriptor of another socket,
// as when it was closed and opened again meanwhile.
func TestOptionsOfReusedDescriptor(t *testing.T) {
	listener, other := ownListener(t), ownListener(t)
	for _, cookie := range []uint64{listener.row.Cookie, 0} {
		row := listener.row
		row.Cookie = cookie
		row.Owners = []Owner{{PID: os.Getpid(), FDs: []int{int(other.Fd())}}}
		s := &Snapshot{Sockets: []Socket{row}}
		readOptions(s)
		if diff := cmp.Diff(Options{}, s.Sockets[0].Options); diff != "" || len(s.Limits) != 0 {
			t.Errorf("cookie %d: limits %v, options (-want +got):\n%s", cookie, s.Limits, diff)
		}
		s.Sockets[0].Owners[0].FDs = []int{int(other.Fd()), int(listener.Fd())}
		readOptions(s)
		if s.Sockets[0].Options.ReuseAddr == nil {
			t.Errorf("cookie %d: options are not read from the owner's second descriptor", cookie)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	listener := ownListener(t)
	listener.row.Owners = []Owner{{PID: os.Getpid(), FDs: []int{int(listener.Fd())}}}
	s := asNobody(t, []Socket{listener.row})
	want := []Limit{{
		Kind: LimitOptions, What: fmt.Sprintf("the options of socket %d", listener.row.Inode),
		Why: "its owner may not be traced from here (ptrace permission)", Inodes: []uint64{listener.row.Inode},
	}}
	got := slices.DeleteFunc(s.Limits, func(l Limit) bool { return l.Kind != LimitOptions })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}

func TestOptionsOfManySockets(t *testing.T) {
	listener := ownListener(t)
	listener.row.Owners = []Owner{{PID: os.Getpid(), FDs: []int{int(listener.Fd())}}}
	connection := listener.row
	connection.State = StateEstablished
	s := &Snapshot{Sockets: append(slices.Repeat([]Socket{connection}, mostOptionSockets), listener.row)}
	readOptions(s)
	if s.Sockets[mostOptionSockets].Options.ReuseAddr == nil || s.Sockets[mostOptionSockets-1].Options.ReuseAddr != nil {
		t.Error("the listener is not asked before the last connection")
	}
	want := []Limit{{
		Kind: LimitOptions, What: fmt.Sprintf("the options of socket %d", listener.row.Inode),
		Why: "only the first 1024 sockets are asked", Inodes: []uint64{listener.row.Inode},
	}}
	if diff := cmp.Diff(want, s.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}
