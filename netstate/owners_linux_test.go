package netstate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

func init() {
	// hold keeps the descriptors that it inherited.
	roles["hold"] = func([]string) {
		_ = unix.Prctl(unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0) // for Yama
		fmt.Println("ready")
		netstatetest.UntilInputEnds()
	}
	roles["hold in a thread's own table"] = func([]string) {
		apart := make(chan bool)
		go func() {
			runtime.LockOSThread()
			check(unix.Unshare(unix.CLONE_FILES))
			apart <- true
			netstatetest.UntilInputEnds()
			os.Exit(0)
		}()
		<-apart
		check(unix.Close(3))
		fmt.Println("ready")
		select {}
	}
	roles["hold without a main thread"] = holdWithoutMainThread
	roles["find owners as nobody"] = func(arguments []string) {
		check(unix.Setgroups(nil))
		check(syscall.Setgid(65534))
		check(syscall.Setuid(65534))
		s := &Snapshot{}
		check(json.Unmarshal([]byte(arguments[0]), &s.Sockets))
		readOwners(context.Background(), s)
		readOptions(s)
		check(json.NewEncoder(os.Stdout).Encode(s))
		netstatetest.UntilInputEnds()
	}
	if os.Getenv("PORTDOC_TEST_ROLE") == "hold without a main thread" {
		runtime.LockOSThread() // init runs in the main thread, and the role too
	}
}

// holdWithoutMainThread ends the process's first thread. The others go on.
func holdWithoutMainThread([]string) {
	go func() {
		for {
			text, err := os.ReadFile("/proc/self/stat")
			check(err)
			if stat, err := parseProcessStat(text); err == nil && stat.state == 'Z' {
				break
			}
			runtime.Gosched()
		}
		fmt.Println("ready")
		netstatetest.UntilInputEnds()
		os.Exit(0)
	}()
	unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
}

// check ends a role that can't be carried out.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ownedSocket is a socket of a test, and its row as sock_diag would give it.
type ownedSocket struct {
	*os.File
	row Socket
}

// ownListener makes a TCP socket that listens on 127.0.0.1.
func ownListener(t testing.TB) ownedSocket {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "listener")
	t.Cleanup(func() { file.Close() })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 8); err != nil {
		t.Fatal(err)
	}
	return ownedSocket{file, Socket{
		Network: TCP, Family: IPv4, State: StateListen,
		UID: new(uint32(os.Geteuid())), Inode: inodeOf(t, fd), Cookie: cookieOf(t, fd),
	}}
}

func inodeOf(t testing.TB, fd int) uint64 {
	t.Helper()
	var status unix.Stat_t
	if err := unix.Fstat(fd, &status); err != nil {
		t.Fatal(err)
	}
	return status.Ino
}

func cookieOf(t testing.TB, fd int) uint64 {
	t.Helper()
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}

// passTo gives the socket to a command as descriptor 3.
func (s ownedSocket) passTo(command *exec.Cmd) *exec.Cmd {
	command.ExtraFiles = append(command.ExtraFiles, s.File)
	return command
}

// heldBy starts a role that has the socket as descriptor 3, and leaves it the
// only owner.
func (s ownedSocket) heldBy(t testing.TB, role string, arguments ...string) *netstatetest.Process {
	t.Helper()
	process, line := netstatetest.Run(t, s.passTo(netstatetest.Command(role, arguments...)))
	if line != "ready" {
		t.Fatalf("%s said %q", role, line)
	}
	s.Close()
	return process
}

// startWith starts a program that says nothing with the socket as its
// descriptor 3, and leaves it the only owner. Its input stays open.
func (s ownedSocket) startWith(t testing.TB, name string, arguments ...string) *exec.Cmd {
	t.Helper()
	command := s.passTo(exec.Command(name, arguments...))
	if _, err := command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	s.Close()
	return command
}

// owners reads the owners of sockets.
func owners(t testing.TB, rows ...Socket) *Snapshot {
	t.Helper()
	s := &Snapshot{Sockets: rows}
	readOwners(t.Context(), s)
	readUserNames(s)
	return s
}

// owner reads the only owner of a socket, and that process.
func owner(t testing.TB, row Socket) (Owner, Process) {
	t.Helper()
	s := owners(t, row)
	if len(s.Sockets[0].Owners) != 1 || len(s.Processes) != 1 || len(s.Limits) != 0 {
		t.Fatalf("not one owner and process without limits: %+v", s)
	}
	return s.Sockets[0].Owners[0], s.Processes[0]
}

func TestOwnersOfSharedSocket(t *testing.T) {
	shared, other := ownListener(t), ownListener(t)
	first, _ := netstatetest.Run(t, shared.passTo(netstatetest.Command("hold")))
	second, _ := netstatetest.Run(t, shared.passTo(shared.passTo(netstatetest.Command("hold"))))
	s := owners(t, shared.row, other.row, Socket{Network: TCP, State: StateTimeWait})
	got := make([][]Owner, 3)
	for i, socket := range s.Sockets {
		for _, o := range socket.Owners {
			got[i] = append(got[i], Owner{PID: o.PID, FDs: o.FDs})
		}
	}
	self := os.Getpid()
	want := [][]Owner{{
		{PID: self, FDs: []int{int(shared.Fd())}},
		{PID: first.Process.Pid, FDs: []int{3}},
		{PID: second.Process.Pid, FDs: []int{3, 4}},
	}, {
		{PID: self, FDs: []int{int(other.Fd())}},
	}, nil}
	slices.SortFunc(want[0], func(a, b Owner) int { return a.PID - b.PID })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	if len(s.Processes) != 3 || !slices.IsSortedFunc(s.Processes, func(a, b Process) int { return a.PID - b.PID }) {
		t.Errorf("processes are not three in order: %+v", s.Processes)
	}
	if len(s.Limits) != 0 {
		t.Errorf("limits: %+v", s.Limits)
	}
}

func TestOwnersOfPeersAndUnixSockets(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	s := &Snapshot{
		Peers: []Socket{{Network: TCP, State: StateEstablished, Inode: inodeOf(t, pair[0])}},
		Unix:  []UnixSocket{{State: StateEstablished, Inode: inodeOf(t, pair[1])}},
	}
	readOwners(t.Context(), s)
	want := [][]Owner{{{PID: os.Getpid(), FDs: []int{pair[0]}}}, {{PID: os.Getpid(), FDs: []int{pair[1]}}}}
	if diff := cmp.Diff(want, [][]Owner{s.Peers[0].Owners, s.Unix[0].Owners}); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}

func TestOwnersWithoutWantedInodes(t *testing.T) {
	s := owners(t, Socket{Network: TCP, State: StateTimeWait})
	if len(s.Sockets[0].Owners) != 0 || s.Processes != nil || s.Limits != nil {
		t.Errorf("a snapshot without inodes changed: %+v", s)
	}
}

func TestOwnerWithoutMainThread(t *testing.T) {
	listener := ownListener(t)
	process := listener.heldBy(t, "hold without a main thread", "argument")
	o, p := owner(t, listener.row)
	if o.PID != process.Process.Pid || !slices.Equal(o.FDs, []int{3}) {
		t.Errorf("owner %+v, want process %d with descriptor 3", o, process.Process.Pid)
	}
	if p.State != Running || p.Exe != process.Path || !slices.Equal(p.Command, process.Args) || p.UID == nil {
		t.Errorf("process %+v, want it running %q", p, process.Args)
	}
}

func TestOwnerInThreadsOwnTable(t *testing.T) {
	listener := ownListener(t)
	process := listener.heldBy(t, "hold in a thread's own table")
	o, p := owner(t, listener.row)
	if o.PID != process.Process.Pid || !slices.Equal(o.FDs, []int{3}) || p.State != Running {
		t.Errorf("owner %+v %+v, want process %d with descriptor 3", o, p, process.Process.Pid)
	}
	if o.CloseOnExec == nil || *o.CloseOnExec {
		t.Errorf("close on exec %v, want false", o.CloseOnExec)
	}
}

// inFlight makes a listener that no process has open: it is in a message that
// nobody has received.
func inFlight(t *testing.T) Socket {
	t.Helper()
	listener := ownListener(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(pair[0])
		unix.Close(pair[1])
	})
	if err := unix.Sendmsg(pair[0], []byte("x"), unix.UnixRights(int(listener.Fd())), nil, 0); err != nil {
		t.Fatal(err)
	}
	listener.Close()
	return listener.row
}

func TestOwnerlessSocket(t *testing.T) {
	row := inFlight(t)
	s := owners(t, row)
	if len(s.Sockets[0].Owners) != 0 || len(s.Processes) != 0 {
		t.Fatalf("a socket in flight has owners: %+v", s)
	}
	switch {
	case unreadable(t):
		// Those that may not be read are outside the test's network namespace.
		checkOwnersLimit(t, s, row.Inode, LimitForeignOwners)
	case firstNamespace(t):
		if len(s.Limits) != 0 {
			t.Errorf("limits though every process may be read: %+v", s.Limits)
		}
	default:
		want := []Limit{ownersLimit([]uint64{row.Inode}, "", "processes outside this PID namespace can't be seen")}
		if diff := cmp.Diff(want, s.Limits); diff != "" {
			t.Errorf("limits in a container (-want +got):\n%s", diff)
		}
	}
}

// unreadable tells whether some process may not be looked into. Even root may
// lack a capability that the first process has.
func unreadable(t *testing.T) bool {
	t.Helper()
	processes, err := filepath.Glob("/proc/[1-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range processes {
		descriptors, err := os.ReadDir(process + "/fd")
		if errors.Is(err, fs.ErrPermission) {
			return true
		}
		for _, descriptor := range descriptors {
			if _, err := os.Readlink(process + "/fd/" + descriptor.Name()); errors.Is(err, fs.ErrPermission) {
				return true
			}
		}
	}
	return false
}

// firstNamespace tells whether this is the PID namespace of the system.
func firstNamespace(t *testing.T) bool {
	t.Helper()
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	return namespace == "pid:[4026531836]"
}

// checkOwnersLimit wants the limit of a reader who may not look into some
// processes.
func checkOwnersLimit(t *testing.T, s *Snapshot, inode uint64, kind LimitKind) {
	t.Helper()
	want := Limit{Kind: kind, What: fmt.Sprintf("the owner of socket %d", inode), Inodes: []uint64{inode}}
	if len(s.Limits) != 1 {
		t.Fatalf("limits %+v, want one", s.Limits)
	}
	got := s.Limits[0]
	counts := regexp.MustCompile(`^(\d+) of (\d+) processes may not be looked into(, in other network namespaces)?$`).FindStringSubmatch(got.Why)
	if counts == nil {
		t.Fatalf("the limit does not count processes: %q", got.Why)
	}
	if foreign := counts[3] != ""; foreign != (kind == LimitForeignOwners) {
		t.Errorf("limit %q of kind %s", got.Why, kind)
	}
	hidden, _ := strconv.Atoi(counts[1])
	looked, _ := strconv.Atoi(counts[2])
	if hidden < 1 || hidden >= looked {
		t.Errorf("%d of %d processes are hidden", hidden, looked)
	}
	got.Why = ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limit (-want +got):\n%s", diff)
	}
}

// asNobody reads owners and options in a process without privilege, which has
// some of the sockets itself.
func asNobody(t *testing.T, rows []Socket, inherited ...ownedSocket) *Snapshot {
	t.Helper()
	if netstatetest.Ordinary() {
		t.Skip("needs root: another user's processes are wanted")
	}
	text, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	command := netstatetest.Command("find owners as nobody", string(text))
	for _, socket := range inherited {
		socket.passTo(command)
	}
	_, line := netstatetest.Run(t, command)
	s := &Snapshot{}
	if err := json.Unmarshal([]byte(line), s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHiddenOwner(t *testing.T) {
	listener := ownListener(t)
	s := asNobody(t, []Socket{listener.row})
	if len(s.Sockets[0].Owners) != 0 || len(s.Processes) != 0 {
		t.Fatalf("nobody sees root's descriptors: %+v", s)
	}
	checkOwnersLimit(t, s, listener.row.Inode, LimitOwners)
}

func TestFurtherOwnersMayBeHidden(t *testing.T) {
	listener, own := ownListener(t), ownListener(t)
	own.row.UID = new(uint32(65534))
	s := asNobody(t, []Socket{listener.row, own.row}, listener, own)
	if len(s.Processes) != 1 || len(s.Sockets[0].Owners) != 1 || len(s.Sockets[1].Owners) != 1 {
		t.Fatalf("nobody sees not just itself: %+v", s)
	}
	if len(s.Limits) != 1 || s.Limits[0].Kind != LimitOwners ||
		s.Limits[0].What != fmt.Sprintf("the further owners of socket %d", listener.row.Inode) ||
		!slices.Equal(s.Limits[0].Inodes, []uint64{listener.row.Inode}) {
		t.Errorf("limits %+v, want one about further owners of the socket that root made", s.Limits)
	}
}

func TestOwnersSearchCancelled(t *testing.T) {
	listener := ownListener(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &Snapshot{Sockets: []Socket{listener.row}}
	readOwners(ctx, s)
	if len(s.Limits) != 1 || s.Limits[0].Kind != LimitOwners || !strings.Contains(s.Limits[0].Why, "not finished: context canceled") {
		t.Errorf("limits %+v, want one about the search", s.Limits)
	}
}

func TestOwnersByLinks(t *testing.T) {
	listener := ownListener(t)
	proc, err := openProcfs()
	if err != nil {
		t.Fatal(err)
	}
	defer proc.close()
	search := descriptorSearch{proc: proc, wanted: map[uint64]bool{listener.row.Inode: true}}
	search.each(t.Context(), []int{os.Getpid()}, (*descriptorReader).process) // sockfs is not known
	want := []holding{{listener.row.Inode, os.Getpid(), os.Getpid(), int(listener.Fd())}}
	if !slices.Equal(search.holdings, want) {
		t.Errorf("holdings %v, want %v", search.holdings, want)
	}
}

// TestOwnersWhileProcessesEnd reads while processes begin and end as fast as
// they can.
func TestOwnersWhileProcessesEnd(t *testing.T) {
	listener := ownListener(t)
	process := listener.heldBy(t, "hold")
	stop, spawner := make(chan bool), sync.WaitGroup{}
	spawner.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				exec.Command("/bin/true").Run()
			}
		}
	})
	defer spawner.Wait()
	defer close(stop)
	for range 100 {
		if o, p := owner(t, listener.row); o.PID != process.Process.Pid || p.PID != o.PID {
			t.Fatalf("owner %+v %+v, want %d", o, p, process.Process.Pid)
		}
	}
}

// BenchmarkReadOwners is the search for one listener among the processes of
// the machine, with 200 more processes of 50 descriptors each.
func BenchmarkReadOwners(b *testing.B) {
	listener := ownListener(b)
	null, err := os.Open("/dev/null")
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	for range 200 {
		command := exec.Command("/bin/sleep", "1000")
		command.ExtraFiles = slices.Repeat([]*os.File{null}, 47)
		if err := command.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			command.Process.Kill()
			command.Wait()
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		s := &Snapshot{Sockets: []Socket{listener.row}}
		readOwners(b.Context(), s)
		if len(s.Sockets[0].Owners) != 1 {
			b.Fatalf("owners %+v", s.Sockets[0].Owners)
		}
	}
}
