// Package snapshottest builds small snapshots, one fact at a time, for tests of
// what they mean.
package snapshottest

import (
	"net/netip"
	"strings"
	"time"

	"portdoc/netstate"
)

// Taken is the moment at which every snapshot of [NewSnapshot] was taken.
var Taken = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// Alice is the user who reads the snapshots of [NewSnapshot].
const Alice = 1000

// Snapshot builds a snapshot for tests. Its methods add one fact each and
// return it; s.Snapshot is a snapshot at any time.
type Snapshot struct {
	*netstate.Snapshot
	inode uint64
}

// NewSnapshot begins a snapshot of an idle Linux machine with the addresses
// 127.0.0.1, ::1 and 10.0.0.5, read by the ordinary user alice.
func NewSnapshot() *Snapshot {
	yes, no, start, uid := true, false, 1024, uint32(Alice)
	return &Snapshot{inode: 90000, Snapshot: &netstate.Snapshot{
		Schema:    netstate.SnapshotSchema,
		Taken:     Taken,
		Host:      netstate.Host{OS: "linux", Release: "6.18.44", User: "alice"},
		Sockets:   []netstate.Socket{},
		Processes: []netstate.Process{},
		Limits:    []netstate.Limit{},
		Users:     map[uint32]string{0: "root", Alice: "alice"},
		Policy: netstate.Policy{
			UID:                   &uid,
			BindPrivileged:        &no,
			UnprivilegedPortStart: &start,
			EphemeralPorts:        &netstate.PortRange{First: 32768, Last: 60999},
			BindV6Only:            &no,
			NonlocalBind4:         &no,
			NonlocalBind6:         &no,
			AutobindReuse:         &no,
			IPv4:                  &yes,
			IPv6:                  &yes,
			IPv6Disabled:          &no,
			Addresses: []netstate.InterfaceAddress{
				{Interface: "lo", Index: 1, Prefix: netip.MustParsePrefix("127.0.0.1/8")},
				{Interface: "lo", Index: 1, Prefix: netip.MustParsePrefix("::1/128")},
				{Interface: "eth0", Index: 2, Prefix: netip.MustParsePrefix("10.0.0.5/24"), Broadcast: netip.MustParseAddr("10.0.0.255")},
			},
		},
	}}
}

// SocketFact changes a socket that is being added.
type SocketFact func(*netstate.Socket)

// TCP adds a TCP socket; remote may be "". With an owner it also gets an
// inode, and the options of an ordinary server unless told otherwise.
func (s *Snapshot) TCP(state netstate.State, local, remote string, facts ...SocketFact) *Snapshot {
	return s.add(netstate.TCP, state, local, remote, facts)
}

// UDP adds a UDP socket: UNCONNECTED, or ESTABLISHED with a remote address.
func (s *Snapshot) UDP(local, remote string, facts ...SocketFact) *Snapshot {
	state := netstate.StateUnconnected
	if remote != "" {
		state = netstate.StateEstablished
	}
	return s.add(netstate.UDP, state, local, remote, facts)
}

func (s *Snapshot) add(network netstate.Network, state netstate.State, local, remote string, facts []SocketFact) *Snapshot {
	socket := netstate.Socket{Network: network, State: state, Local: netip.MustParseAddrPort(local), Family: netstate.IPv4}
	if socket.Local.Addr().Is6() {
		socket.Family = netstate.IPv6
	}
	if remote != "" {
		socket.Remote = netip.MustParseAddrPort(remote)
	}
	for _, fact := range facts {
		fact(&socket)
	}
	s.settle(&socket)
	s.Sockets = append(s.Sockets, socket)
	return s
}

// OwnedBy gives the socket to processes, which have it as descriptor 3 and
// would pass it on to what they execute.
func OwnedBy(pids ...int) SocketFact {
	return func(s *netstate.Socket) {
		for _, pid := range pids {
			no := false
			s.Owners = append(s.Owners, netstate.Owner{PID: pid, FDs: []int{3}, CloseOnExec: &no, Waits: netstate.WaitsYes})
		}
		uid := uint32(Alice)
		s.UID = &uid
	}
}

// Waiting tells whether the socket's owners wait for it.
func Waiting(waits netstate.Waits) SocketFact {
	return func(s *netstate.Socket) {
		for i := range s.Owners {
			s.Owners[i].Waits = waits
		}
	}
}

// CloseOnExec makes the socket's owners close it when they execute a program.
func CloseOnExec(s *netstate.Socket) {
	for i := range s.Owners {
		yes := true
		s.Owners[i].CloseOnExec = &yes
	}
}

// Inode sets the socket's inode.
func Inode(inode uint64) SocketFact { return func(s *netstate.Socket) { s.Inode = inode } }

// OfUser sets the user of the socket's inode.
func OfUser(uid uint32) SocketFact { return func(s *netstate.Socket) { s.UID = &uid } }

// InCgroup sets the path of the cgroup in which the socket was made.
func InCgroup(path string) SocketFact { return func(s *netstate.Socket) { s.Cgroup = path } }

// From sets how the socket got its port.
func From(origin netstate.Origin) SocketFact { return func(s *netstate.Socket) { s.Origin = origin } }

// TimeLeft is the time that TIME_WAIT or an orphaned FIN_WAIT2 still lasts.
func TimeLeft(d time.Duration) SocketFact {
	return func(s *netstate.Socket) {
		s.Timer = &netstate.Timer{Kind: netstate.TimerTimeWait, RemainingMilliseconds: d.Milliseconds()}
	}
}

// Sharing sets SO_REUSEADDR and SO_REUSEPORT.
func Sharing(reuseAddr, reusePort bool) SocketFact {
	return func(s *netstate.Socket) { s.Options.ReuseAddr, s.Options.ReusePort = &reuseAddr, &reusePort }
}

// V6Only sets IPV6_V6ONLY.
func V6Only(on bool) SocketFact { return func(s *netstate.Socket) { s.Options.V6Only = &on } }

// ProcessFact changes a process that is being added.
type ProcessFact func(*netstate.Process)

// Process adds a running process of alice, started by the shell 4100 two
// hours ago without a terminal. Its name and executable come from the first
// word of the command.
func (s *Snapshot) Process(pid int, command string, facts ...ProcessFact) *Snapshot {
	words := strings.Fields(command)
	name := words[0][strings.LastIndexAny(words[0], `/\`)+1:]
	uid := uint32(Alice)
	p := netstate.Process{
		PID:     pid,
		PPID:    4100,
		PGID:    pid,
		SID:     4100,
		Name:    name,
		Command: words,
		Exe:     "/usr/bin/" + name,
		UID:     &uid,
		User:    "alice",
		Started: Taken.Add(-2 * time.Hour),
		State:   netstate.Running,

		ParentName: "bash",
		Ancestors:  []int{4100, 1},
	}
	s.adapt(&p, words[0])
	for _, fact := range facts {
		fact(&p)
	}
	s.Processes = append(s.Processes, p)
	return s
}

// ChildOf makes the process a child, with its parent's group and session.
func ChildOf(parent int, name string) ProcessFact {
	return func(p *netstate.Process) {
		p.PPID, p.ParentName, p.PGID = parent, name, parent
		p.Ancestors = append([]int{parent}, p.Ancestors...)
	}
}

// Orphan gives the process to the system's first process, because its parent
// is gone.
func Orphan(p *netstate.Process) {
	p.PPID, p.ParentName, p.Ancestors = 1, "systemd", []int{1}
}

// OnTerminal makes the process a job of a shell on a terminal.
func OnTerminal(tty string, shell int) ProcessFact {
	return func(p *netstate.Process) {
		p.TTY, p.Shell = tty, &netstate.ProcessRef{PID: shell, Name: "bash"}
	}
}

// StoppedBy stops the process; the signal may be "".
func StoppedBy(signal string, ago time.Duration) ProcessFact {
	return func(p *netstate.Process) {
		p.State, p.StopSignal, p.StoppedFor = netstate.Stopped, signal, ago.Milliseconds()
	}
}

// TracedBy stops the process in a debugger.
func TracedBy(pid int, name string) ProcessFact {
	return func(p *netstate.Process) {
		p.State, p.Tracer = netstate.Traced, &netstate.ProcessRef{PID: pid, Name: name}
	}
}

// FrozenBy freezes the process by the cgroup in a directory.
func FrozenBy(directory string) ProcessFact {
	return func(p *netstate.Process) { p.State, p.FrozenBy = netstate.Frozen, directory }
}

// Service makes the process one that the system's service manager started.
func Service(unit string) ProcessFact {
	return func(p *netstate.Process) {
		Orphan(p)
		p.Unit, p.Cgroup = unit, "/system.slice/"+unit
	}
}

// Container puts the process into a container.
func Container(id, cgroup string) ProcessFact {
	return func(p *netstate.Process) { p.Container, p.Cgroup = id, cgroup }
}

// RunBy makes the process another user's.
func RunBy(uid uint32, user string) ProcessFact {
	return func(p *netstate.Process) { p.UID, p.User = &uid, user }
}

// CannotListen says that the process's program can't call listen(2).
func CannotListen(p *netstate.Process) {
	no := false
	p.CanListen = &no
}

// Answer adds what the system answered to binds that were tried.
func (s *Snapshot) Answer(result string, requests ...netstate.BindRequest) *Snapshot {
	for _, request := range requests {
		s.Observed = append(s.Observed, netstate.BindOutcome{Request: request, Result: result})
	}
	return s
}

// Peer adds a socket at the other end of a connection.
func (s *Snapshot) Peer(state netstate.State, local, remote string, facts ...SocketFact) *Snapshot {
	s.TCP(state, local, remote, facts...)
	last := len(s.Sockets) - 1
	s.Peers, s.Sockets = append(s.Peers, s.Sockets[last]), s.Sockets[:last]
	return s
}

// UnixSocket adds a unix stream socket. One that has a path is bound to the
// file that [Snapshot.File] made for that path, if it is added before.
func (s *Snapshot) UnixSocket(state netstate.State, path string, owners ...int) *Snapshot {
	var facts netstate.Socket
	OwnedBy(owners...)(&facts)
	s.inode++
	u := netstate.UnixSocket{Path: path, Type: "stream", State: state, UID: facts.UID, Inode: s.inode, Owners: facts.Owners}
	for _, p := range s.Paths {
		if p.Path == path && p.Kind == netstate.PathSocket {
			u.FileDevice, u.FileInode = p.Device, p.Inode
		}
	}
	s.Unix = append(s.Unix, u)
	return s
}

// File adds what is at a path, a file of alice's from three hours ago. Connect
// is what a connection to it was answered.
func (s *Snapshot) File(path string, kind netstate.PathKind, connect string) *Snapshot {
	uid := uint32(Alice)
	s.inode++
	s.Paths = append(s.Paths, netstate.Path{
		Path: path, Kind: kind, Device: 21, Inode: s.inode, UID: &uid, Modified: Taken.Add(-3 * time.Hour), Connect: connect,
	})
	return s
}

// NoFile adds that nothing is at a path; errno tells why nothing could be made
// there, "" if it could.
func (s *Snapshot) NoFile(path, errno string) *Snapshot {
	s.Paths = append(s.Paths, netstate.Path{Path: path, Kind: netstate.PathAbsent, Errno: errno})
	return s
}

// KernelHolder adds a part of the kernel that has a port.
func (s *Snapshot) KernelHolder(network netstate.Network, port uint16, kind, name, device string) *Snapshot {
	s.Kernel = append(s.Kernel, netstate.KernelHolder{Network: network, Port: port, Kind: kind, Name: name, Device: device})
	return s
}

// ByRoot makes root the reader of the snapshot.
func (s *Snapshot) ByRoot() *Snapshot {
	uid, yes := uint32(0), true
	s.Policy.UID, s.Policy.BindPrivileged = &uid, &yes
	s.Host.Privileged, s.Host.User = true, "root"
	return s
}

// Limit adds something that could not be seen.
func (s *Snapshot) Limit(kind netstate.LimitKind, what, why string, inodes ...uint64) *Snapshot {
	s.Limits = append(s.Limits, netstate.Limit{Kind: kind, What: what, Why: why, Inodes: inodes})
	return s
}
