package netstate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"portdoc/netstate/netns"
	"portdoc/netstate/netstatetest"
)

func init() {
	roles["unix listener"] = func(arguments []string) {
		_, err := bindUnix(unix.SOCK_STREAM, arguments[0], true)
		must(err)
		fmt.Println("ready")
		netstatetest.UntilInputEnds()
	}
	roles["unix sockets without capabilities"] = func(arguments []string) {
		dropCapabilities()
		printJSON(readUnix(arguments...))
	}
	roles["unix sockets without netlink"] = func(arguments []string) {
		refuseSockets(unix.AF_NETLINK, unix.EPERM)
		printJSON(readUnix(arguments...))
	}
	roles["unix sockets without any list"] = func(arguments []string) {
		must(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(unix.Mount("none", "/proc", "tmpfs", 0, ""))
		refuseSockets(unix.AF_NETLINK, unix.EPERM)
		printJSON(readUnix(arguments...))
	}
}

// bindUnix makes a unix socket that lives as long as the process.
func bindUnix(kind int, name string, listen bool) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil || !listen {
		return fd, err
	}
	return fd, unix.Listen(fd, 1)
}

// openUnix makes a unix socket that lives as long as the test.
func openUnix(t *testing.T, kind int, name string, listen bool) int {
	t.Helper()
	fd, err := bindUnix(kind, name, listen)
	if err != nil {
		t.Fatalf("bind %q: %v", name, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func connectUnix(t *testing.T, fd int, name string) {
	t.Helper()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		t.Fatalf("connect %q: %v", name, err)
	}
}

// stale leaves the file of a socket that is closed.
func stale(t *testing.T, name string) {
	t.Helper()
	fd, err := bindUnix(unix.SOCK_STREAM, name, true)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
}

func readUnix(names ...string) *Snapshot {
	s := new(Snapshot)
	for _, name := range names {
		s.Query.Endpoints = append(s.Query.Endpoints, Endpoint{Network: Unix, Path: name})
	}
	must(readUnixSockets(context.Background(), s))
	return s
}

// directory is a short one: a socket's path has room for 107 bytes.
func directory(t *testing.T) string {
	t.Helper()
	d, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		os.Chmod(d, 0o700)
		os.RemoveAll(d)
	})
	return d
}

func inode(t *testing.T, fd int) uint64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}

func TestUnixSocketAtPath(t *testing.T) {
	for _, test := range []struct {
		name   string
		kind   int
		listen bool
		typ    string
		state  State
	}{
		{"stream", unix.SOCK_STREAM, true, "stream", StateListen},
		{"bound", unix.SOCK_STREAM, false, "stream", StateBound},
		{"seqpacket", unix.SOCK_SEQPACKET, true, "seqpacket", StateListen},
		{"dgram", unix.SOCK_DGRAM, false, "dgram", StateUnconnected},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := directory(t) + "/s"
			fd := openUnix(t, test.kind, path, test.listen)
			s := readUnix(path, path)
			uid := uint32(os.Geteuid())
			var file unix.Stat_t
			if err := unix.Lstat(path, &file); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]UnixSocket{{
				Path: path, Type: test.typ, State: test.state, UID: &uid, Inode: inode(t, fd),
				FileDevice: uint64(file.Dev), FileInode: file.Ino,
			}}, s.Unix); diff != "" {
				t.Error(diff)
			}
			if len(s.Paths) != 1 {
				t.Fatalf("paths: %v", s.Paths)
			}
			p := s.Paths[0]
			if age := p.Modified.UnixNano() - file.Mtim.Nano(); age != 0 {
				t.Errorf("modified %v", p.Modified)
			}
			p.Modified = p.Modified.Truncate(0)
			if diff := cmp.Diff(Path{
				Path: path, Kind: PathSocket, Device: uint64(file.Dev), Inode: file.Ino, UID: &uid,
				Modified: p.Modified, Connect: "EPROTOTYPE",
			}, p); diff != "" {
				t.Error(diff)
			}
			if len(s.Limits) != 0 {
				t.Errorf("limits: %v", s.Limits)
			}
		})
	}
}

func TestUnixLookReachesNobody(t *testing.T) {
	d := directory(t)
	listener := openUnix(t, unix.SOCK_STREAM, d+"/stream", true)
	openUnix(t, unix.SOCK_DGRAM, d+"/dgram", false)
	readUnix(d+"/stream", d+"/dgram")
	if _, _, err := unix.Accept(listener); err != unix.EAGAIN {
		t.Errorf("the listener's queue: %v", err)
	}
	// A datagram socket that was connected to is ESTABLISHED, 3 in this file.
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, d+"/dgram") && strings.Fields(line)[5] != "01" {
			t.Errorf("the datagram socket was connected to: %s", line)
		}
	}
}

func TestUnixStaleFile(t *testing.T) {
	path := directory(t) + "/s"
	stale(t, path)
	s := readUnix(path)
	if len(s.Unix) != 0 || s.Paths[0].Kind != PathSocket || s.Paths[0].Connect != "ECONNREFUSED" {
		t.Errorf("%+v", s)
	}
}

// One socket is bound to the file in another network namespace, where the
// dump does not see it.
func TestUnixListenerInOtherNetwork(t *testing.T) {
	path := directory(t) + "/s"
	command := netstatetest.Command("unix listener", path)
	command.SysProcAttr = netns.New()
	holder, _ := netstatetest.Run(t, command)
	s := readUnix(path)
	if len(s.Unix) != 0 || s.Paths[0].Connect != "EPROTOTYPE" {
		t.Errorf("%+v", s)
	}
	holder.Kill()
	if s := readUnix(path); s.Paths[0].Connect != "ECONNREFUSED" {
		t.Errorf("after its end: %+v", s)
	}
}

func TestUnixAbstract(t *testing.T) {
	name := "@portdoc\x00test\x00"
	stream := openUnix(t, unix.SOCK_STREAM, name, true)
	datagram := openUnix(t, unix.SOCK_DGRAM, name, false) // each type has names of its own
	openUnix(t, unix.SOCK_STREAM, "@portdoc@test@", true)
	openUnix(t, unix.SOCK_STREAM, "@portdoc\x00test", true)
	s := readUnix(name)
	if len(s.Unix) != 2 || len(s.Paths) != 0 || len(s.Limits) != 0 {
		t.Fatalf("%+v", s)
	}
	uid := uint32(os.Geteuid())
	want := map[uint64]UnixSocket{
		inode(t, stream):   {Path: name, Type: "stream", State: StateListen, UID: &uid, Inode: inode(t, stream)},
		inode(t, datagram): {Path: name, Type: "dgram", State: StateUnconnected, UID: &uid, Inode: inode(t, datagram)},
	}
	for _, u := range s.Unix {
		if diff := cmp.Diff(want[u.Inode], u); diff != "" {
			t.Error(diff)
		}
	}
}

// An accepted connection shows its listener's name and file, a client may be
// bound itself: only the client holds its name.
func TestUnixConnections(t *testing.T) {
	d := directory(t)
	listener, err := bindUnix(unix.SOCK_STREAM, d+"/server", true)
	if err != nil {
		t.Fatal(err)
	}
	client := openUnix(t, unix.SOCK_STREAM, d+"/client", false)
	connectUnix(t, client, d+"/server")
	accepted, _, err := unix.Accept(listener)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(accepted) })
	s := readUnix(d+"/server", d+"/client")
	if len(s.Unix) != 2 || s.Unix[0].Inode != inode(t, listener) || s.Unix[0].State != StateListen ||
		s.Unix[1].Inode != inode(t, client) || s.Unix[1].State != StateEstablished {
		t.Errorf("%+v", s.Unix)
	}
	if s.Paths[0].Connect != "EPROTOTYPE" || s.Paths[1].Connect != "EPROTOTYPE" {
		t.Errorf("%+v", s.Paths)
	}
	unix.Close(listener)
	s = readUnix(d + "/server")
	if len(s.Unix) != 0 || s.Paths[0].Connect != "ECONNREFUSED" {
		t.Errorf("after the listener's end: %+v", s)
	}
}

func TestUnixSocketUnderOtherName(t *testing.T) {
	d := directory(t)
	t.Chdir(d)
	fd := openUnix(t, unix.SOCK_STREAM, "relative", true)
	if err := os.Link("relative", "link"); err != nil {
		t.Fatal(err)
	}
	s := readUnix(d + "/link")
	if len(s.Unix) != 1 || s.Unix[0].Path != "relative" || s.Unix[0].Inode != inode(t, fd) {
		t.Errorf("%+v", s)
	}
}

// A listener whose file was replaced does not hold the name any more.
func TestUnixSocketOfRemovedFile(t *testing.T) {
	path := directory(t) + "/s"
	fd := openUnix(t, unix.SOCK_STREAM, path, true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s := readUnix(path)
	if len(s.Unix) != 1 || s.Unix[0].Inode != inode(t, fd) || s.Paths[0].Kind != PathAbsent {
		t.Errorf("removed: %+v", s)
	}
	stale(t, path)
	s = readUnix(path)
	if len(s.Unix) != 1 || s.Unix[0].FileInode == s.Paths[0].Inode || s.Paths[0].Connect != "ECONNREFUSED" {
		t.Errorf("replaced: %+v", s)
	}
}

func TestUnixSocketsWithoutNetlink(t *testing.T) {
	needsSocketFilter(t)
	path := directory(t) + "/s"
	fd := openUnix(t, unix.SOCK_STREAM, path, true)
	s := ask[Snapshot](t, netstatetest.Command("unix sockets without netlink", path))
	want := []UnixSocket{{Path: path, Type: "stream", State: StateListen, Inode: inode(t, fd)}}
	if diff := cmp.Diff(want, s.Unix); diff != "" {
		t.Error(diff)
	}
	if len(s.Limits) != 1 || s.Limits[0].Kind != LimitSource || s.Paths[0].Connect != "EPROTOTYPE" {
		t.Errorf("%+v", s)
	}
}

func TestUnixSocketsWithoutAnyList(t *testing.T) {
	needsSocketFilter(t)
	path := directory(t) + "/s"
	openUnix(t, unix.SOCK_STREAM, path, true)
	command := netstatetest.Command("unix sockets without any list", path)
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	s := ask[Snapshot](t, command)
	if len(s.Unix) != 0 || len(s.Limits) != 1 || s.Limits[0].Kind != LimitSource ||
		s.Limits[0].What != "the unix sockets" || s.Paths[0].Connect != "EPROTOTYPE" {
		t.Errorf("%+v", s)
	}
}

func TestUnixSocketsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := &Snapshot{Query: Query{Endpoints: []Endpoint{{Network: Unix, Path: "@x"}}}}
	if err := readUnixSockets(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	s.Query.Endpoints[0] = Endpoint{Network: TCP, Port: 1}
	if err := readUnixSockets(ctx, s); err != nil {
		t.Errorf("without a unix endpoint nothing is read: %v", err)
	}
}

func BenchmarkReadUnixSockets(b *testing.B) {
	for b.Loop() {
		if s := readUnix("/nonexistent/s"); len(s.Limits) != 0 {
			b.Fatal(s.Limits)
		}
	}
}
