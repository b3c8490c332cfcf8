package netstate

import (
	"net/netip"
	"time"
)

// SnapshotSchema is the value of [Snapshot.Schema] that this package writes
// and the only one it reads.
const SnapshotSchema = "portdoc.snapshot/v1"

// Snapshot is what one machine said about the endpoints that were asked for,
// at one moment. It is plain data: it can be encoded as JSON and explained
// later, on any system.
type Snapshot struct {
	Schema string    `json:"schema"`
	Taken  time.Time `json:"taken"`
	Host   Host      `json:"host"`
	// Query is what was asked. Sockets of other ports are absent because
	// nobody asked, not because there are none.
	Query   Query    `json:"query"`
	Sockets []Socket `json:"sockets"`
	// Peers are the sockets at the other end of those in Sockets that nobody
	// has open any more, as far as they are on this machine. They have other
	// ports and are never to blame.
	Peers []Socket     `json:"peers,omitempty"`
	Unix  []UnixSocket `json:"unix_sockets,omitempty"`
	// Paths has one entry for each unix socket path in the query.
	Paths     []Path    `json:"paths,omitempty"`
	Processes []Process `json:"processes"`
	// Users are the names of the user ids of sockets and processes and of
	// the reader, where the system has one.
	Users     map[uint32]string `json:"users,omitempty"`
	Policy    Policy            `json:"policy"`
	Observed  []BindOutcome     `json:"observed,omitempty"`
	Ephemeral *EphemeralUse     `json:"ephemeral_use,omitempty"`
	Kernel    []KernelHolder    `json:"kernel_holders,omitempty"`
	// Forwards are the forwarding rules of the system itself that listen on
	// what was asked for.
	Forwards []PortForward `json:"forwards,omitempty"`
	Limits   []Limit       `json:"limits"`
}

// Host names the machine's system and says how much of it the reader may see.
type Host struct {
	// OS is a GOOS value: "linux", "darwin", "windows", "freebsd", ...
	OS string `json:"os"`
	// Release is the kernel's own version string.
	Release string `json:"release"`
	// Privileged tells whether the reader had the privilege to look into
	// every process of the system. A container's root may lack it.
	Privileged bool `json:"privileged"`
	// User is the reader's name, "" when it has none.
	User string `json:"user,omitempty"`
}

// Query says what a snapshot is to be about.
type Query struct {
	Endpoints []Endpoint `json:"endpoints"`
}

// Endpoint is one thing that a program can bind.
type Endpoint struct {
	Network Network `json:"network"`
	// Port and LastPort are the first and last port asked for, inclusive; a
	// LastPort of 0 is Port. Port 0 asks for the use of the whole ephemeral
	// range.
	Port     uint16 `json:"port,omitempty"`
	LastPort uint16 `json:"last_port,omitempty"`
	// Path is the path of a unix socket, or "@" and an abstract name.
	Path string `json:"path,omitempty"`
}

// Network is a transport that has ports or paths.
type Network string

// The networks.
const (
	TCP  Network = "tcp"
	UDP  Network = "udp"
	Unix Network = "unix"
)

// State is the name that the Linux kernel has for a socket's state
// (include/net/tcp_states.h), or [StateBound].
type State string

// The states of a TCP socket. A UDP socket is UNCONNECTED or ESTABLISHED.
const (
	StateListen      State = "LISTEN"
	StateEstablished State = "ESTABLISHED"
	StateSynSent     State = "SYN_SENT"
	StateSynRecv     State = "SYN_RECV"
	StateFinWait1    State = "FIN_WAIT1"
	StateFinWait2    State = "FIN_WAIT2"
	StateTimeWait    State = "TIME_WAIT"
	StateCloseWait   State = "CLOSE_WAIT"
	StateLastAck     State = "LAST_ACK"
	StateClosing     State = "CLOSING"
	// StateBound is a TCP socket that has a port and neither listens nor is
	// connected (the kernel's CLOSE, with a local port).
	StateBound State = "BOUND"
	// StateUnconnected is a UDP socket that receives from anyone.
	StateUnconnected State = "UNCONNECTED"
)

// Family is an address family of the internet protocols.
type Family string

// The families.
const (
	IPv4 Family = "ipv4"
	IPv6 Family = "ipv6"
)

// Socket is one socket that has a local port. Sockets without an inode
// (TIME_WAIT, orphans) are rows of their own.
type Socket struct {
	Network Network `json:"network"`
	// Family is that of the socket, so an IPv4 connection that a dual-stack
	// listener accepted is "ipv6" with an IPv4-mapped address.
	Family Family         `json:"family"`
	Local  netip.AddrPort `json:"local"`
	// Remote is the zero AddrPort for a socket that has no peer.
	Remote netip.AddrPort `json:"remote,omitzero"`
	State  State          `json:"state"`
	// UID is the user id of the socket's inode: of the process that called
	// socket(2), or accept(2). Nil where the system does not say
	// (TIME_WAIT, orphaned FIN_WAIT2 and requests in SYN_RECV on Linux).
	UID *uint32 `json:"uid,omitempty"`
	// Inode is 0 for a socket that no file descriptor can refer to any more,
	// and for one that waits in a listener's accept queue. macOS has no
	// inodes of sockets: there it is the number by which the kernel counts
	// them.
	Inode uint64 `json:"inode,omitempty"`
	// Cookie identifies the socket for its whole life; 0 where unknown. On
	// FreeBSD it is the generation count of the pcb, and Inode the same.
	Cookie uint64 `json:"cookie,omitempty"`
	// Device is the interface the socket is bound to (SO_BINDTODEVICE),
	// "" for none.
	Device string `json:"device,omitempty"`
	Timer  *Timer `json:"timer,omitempty"`
	// Options are those that decide whether an address can be shared. Nil
	// fields are not known.
	Options Options `json:"options"`
	// Origin tells how the socket got its local port.
	Origin Origin `json:"origin,omitempty"`
	// ReceiveQueue and SendQueue are bytes, or for a listener the length of
	// its accept queue and the backlog. On Linux a SYN or FIN that was not
	// acknowledged counts as one byte to send, and the peer's FIN as one to
	// receive until the owner has read the end of the stream.
	ReceiveQueue uint32 `json:"receive_queue,omitempty"`
	SendQueue    uint32 `json:"send_queue,omitempty"`
	// CgroupID is the inode number of the cgroup v2 directory in which the
	// socket was made; Cgroup its path where it was looked up.
	CgroupID uint64 `json:"cgroup_id,omitempty"`
	Cgroup   string `json:"cgroup,omitempty"`
	// Created is when the socket got its address (Windows only).
	Created time.Time `json:"created,omitzero"`
	// LastPID is a process that the system names beside the socket and that
	// need not have it open: the last that used it (macOS), or the one that
	// made it and has ended since (Windows). 0 for none.
	//
	// On Windows the socket then lives on because another process inherited
	// it. Those that may have are among the snapshot's processes: descendants
	// of the one that ended, which have LastPID as PPID or in Ancestors, and
	// which started after the socket was Created, as far as that is known.
	LastPID int `json:"last_pid,omitempty"`
	// Service is the service that made it, of several that share a process
	// (Windows).
	Service string `json:"service,omitempty"`
	// Owners are the processes that have the socket open, as far as they
	// could be seen. See [Limit] before taking none for nobody.
	Owners []Owner `json:"owners,omitempty"`
}

// Options are socket options; nil means that the value is not known.
type Options struct {
	ReuseAddr *bool `json:"reuseaddr,omitempty"`
	ReusePort *bool `json:"reuseport,omitempty"`
	// ReusePortLB is SO_REUSEPORT_LB (FreeBSD only).
	ReusePortLB *bool `json:"reuseport_lb,omitempty"`
	// V6Only is nil also for IPv4 sockets, which have no such option.
	V6Only *bool `json:"v6only,omitempty"`
	// Exclusive is SO_EXCLUSIVEADDRUSE (Windows only).
	Exclusive *bool `json:"exclusive,omitempty"`
	// Transparent and FreeBind let a socket have an address that is not
	// local (IP_TRANSPARENT, IP_FREEBIND; Linux only).
	Transparent *bool `json:"transparent,omitempty"`
	FreeBind    *bool `json:"freebind,omitempty"`
}

// Origin is the way in which a socket got its local port.
type Origin string

// The origins; "" is unknown. A socket that was bound before it connected
// can't be told from one that was not: both are OriginConnect.
const (
	OriginBind    Origin = "bind"
	OriginConnect Origin = "connect"
	OriginAccept  Origin = "accept"
)

// Timer is a kernel timer that is running for a socket.
type Timer struct {
	Kind TimerKind `json:"kind"`
	// RemainingMilliseconds is the time until it fires. For
	// [TimerTimeWait] the socket is gone then.
	RemainingMilliseconds int64 `json:"remaining_ms"`
}

// TimerKind tells what a timer is for.
type TimerKind string

// The kinds of timer. TimerTimeWait also runs for an orphaned FIN_WAIT2, which
// Linux keeps as the same kind of small socket as TIME_WAIT.
const (
	TimerRetransmit TimerKind = "retransmit"
	TimerKeepalive  TimerKind = "keepalive"
	TimerTimeWait   TimerKind = "time-wait"
	TimerProbe      TimerKind = "probe"
)

// Owner is a process that has a socket open.
type Owner struct {
	PID int `json:"pid"`
	// FDs are its descriptor numbers, ascending.
	FDs []int `json:"fds,omitempty"`
	// CloseOnExec tells whether all of them are closed by exec; nil where
	// that could not be read.
	CloseOnExec *bool `json:"close_on_exec,omitempty"`
	// Waits tells whether a thread waits for this socket.
	Waits Waits `json:"waits,omitempty"`
}

// Waits tells whether a process waits for events of a socket.
type Waits string

// The answers; "" is unknown. WaitsMaybe stands for a running thread, and for
// poll(2) or a socket call whose descriptor can't be seen.
const (
	WaitsYes   Waits = "yes"
	WaitsMaybe Waits = "maybe"
	WaitsNo    Waits = "no"
)

// UnixSocket is one unix socket that is bound to a path or an abstract name.
type UnixSocket struct {
	// Path is as it was bound, possibly relative to a directory that is not
	// known; abstract names start with "@", and may hold NUL bytes.
	Path string `json:"path"`
	// Type is "stream", "dgram" or "seqpacket".
	Type string `json:"type"`
	// State is LISTEN; BOUND for one that does not listen yet; UNCONNECTED
	// for a datagram socket; or ESTABLISHED for a client that was bound
	// before it connected. Connections that a listener accepted show its
	// name too, but do not hold it, and are left out.
	State State   `json:"state"`
	UID   *uint32 `json:"uid,omitempty"`
	Inode uint64  `json:"inode"`
	// FileDevice and FileInode identify the file it was bound to, and equal
	// Device and Inode of a [Path] that has the same file. Another file
	// under the same name does not block it. Both are 0 for abstract names
	// and where the system did not say.
	FileDevice uint64  `json:"file_device,omitempty"`
	FileInode  uint64  `json:"file_inode,omitempty"`
	Owners     []Owner `json:"owners,omitempty"`
}

// Path is what stands at the path of a unix socket in the file system.
type Path struct {
	Path string   `json:"path"`
	Kind PathKind `json:"kind"`
	// Device and Inode identify the file, by lstat(2).
	Device uint64  `json:"device,omitempty"`
	Inode  uint64  `json:"inode,omitempty"`
	UID    *uint32 `json:"uid,omitempty"`
	// Modified is when the file was made, for a socket.
	Modified time.Time `json:"modified,omitzero"`
	// Connect is what connect(2) answered to a socket of another type: it
	// never reaches the program that listens. ECONNREFUSED: no socket is
	// bound to the file in any network namespace. EPROTOTYPE or "ok": one
	// is. EACCES: that can't be told. "" where it was not tried: only a
	// socket, and a symbolic link to one, are connected to.
	Connect string `json:"connect,omitempty"`
	// Errno tells why the path could not be looked at, or why nothing could
	// be made there (ENOENT for a missing directory, EACCES, EROFS, ...).
	Errno string `json:"errno,omitempty"`
}

// PathKind is the type of a file.
type PathKind string

// The kinds of file.
const (
	PathAbsent    PathKind = "absent"
	PathSocket    PathKind = "socket"
	PathRegular   PathKind = "file"
	PathDirectory PathKind = "directory"
	PathSymlink   PathKind = "symlink"
	PathOther     PathKind = "other"
	PathUnknown   PathKind = "unknown"
)

// Process is what is known of a process that has one of the sockets open, or
// that is named by one that has.
type Process struct {
	PID  int `json:"pid"`
	PPID int `json:"ppid"`
	// PGID and SID are the process group and the session; 0 where the
	// system has none.
	PGID int `json:"pgid,omitempty"`
	SID  int `json:"sid,omitempty"`
	// Name is the kernel's short name of it (15 bytes on Linux).
	Name string `json:"name"`
	// Command is the argument vector, nil where it could not be read or was
	// left out of a capture.
	Command []string `json:"command,omitempty"`
	// Exe is the executable's path, without the " (deleted)" that Linux
	// appends; ExeDeleted tells whether it was there.
	Exe        string    `json:"exe,omitempty"`
	ExeDeleted bool      `json:"exe_deleted,omitempty"`
	UID        *uint32   `json:"uid,omitempty"`
	User       string    `json:"user,omitempty"`
	Started    time.Time `json:"started,omitzero"`
	// TTY is the controlling terminal, as "pts/3"; "" for none.
	TTY   string       `json:"tty,omitempty"`
	State ProcessState `json:"state"`
	// StopSignal is the signal that stopped it, as "SIGTSTP", while nobody
	// has collected it; "" otherwise.
	StopSignal string `json:"stop_signal,omitempty"`
	// StoppedFor is for how long a stopped process has not run, in
	// milliseconds; 0 where unknown.
	StoppedFor int64 `json:"stopped_for_ms,omitempty"`
	// Tracer is the process that traces it, also while it runs.
	Tracer *ProcessRef `json:"tracer,omitempty"`
	// Shell is the nearest ancestor in the same session that has the same
	// controlling terminal: the shell whose job it is.
	Shell *ProcessRef `json:"shell,omitempty"`
	// Ancestors are the pids of its parent, its parent's parent and so on. On
	// Windows, where nobody adopts orphans, the last may be of a process that
	// has ended.
	Ancestors []int `json:"ancestors,omitempty"`
	// ParentName is the short name of its parent.
	ParentName string `json:"parent_name,omitempty"`
	// Cgroup is its cgroup's path: of v2, else of the v1 hierarchy that is
	// named in CgroupFrozen or belongs to systemd.
	Cgroup string `json:"cgroup,omitempty"`
	// FrozenBy is the directory of the cgroup that freezes it.
	FrozenBy string `json:"frozen_by,omitempty"`
	// Unit is what the service manager calls the service that it belongs
	// to: a unit of systemd, the label of a launchd job, the name of an rc
	// script.
	Unit string `json:"unit,omitempty"`
	// UserUnit tells that Unit belongs to the user's own service manager.
	UserUnit bool `json:"user_unit,omitempty"`
	// Services are the services that run in it, sorted (Windows, where
	// several share a process).
	Services []string `json:"services,omitempty"`
	// Container is the container's id, from the name of its cgroup.
	Container string `json:"container,omitempty"`
	// CanListen is false where its program can be shown unable to call
	// listen(2), nil where nothing can be said.
	CanListen *bool `json:"can_listen,omitempty"`
}

// ProcessState is the part of a process's state that matters to its sockets.
type ProcessState string

// The process states; "" is unknown.
const (
	Running ProcessState = "running"
	Stopped ProcessState = "stopped"
	Traced  ProcessState = "traced"
	Frozen  ProcessState = "frozen"
	Zombie  ProcessState = "zombie"
)

// ProcessRef names a process.
type ProcessRef struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
}

// KernelHolder is a part of the kernel that has a port of its own.
type KernelHolder struct {
	Network Network `json:"network"`
	Port    uint16  `json:"port"`
	// Name says what it is, as "the vxlan device vxlan0".
	Name string `json:"name"`
	// Kind is the kind of holder: "vxlan", "nfsd", ...
	Kind string `json:"kind"`
	// Device is the network device that made it, "" for none.
	Device string `json:"device,omitempty"`
	// Queue is what a program asked HTTP.sys to listen for (Windows), nil
	// for other kinds.
	Queue *RequestQueue `json:"queue,omitempty"`
}

// RequestQueue is a request queue of HTTP.sys, the web server in the Windows
// kernel, which listens for the programs that registered URLs.
type RequestQueue struct {
	Name string `json:"name,omitempty"`
	// URLs are as HTTP.sys writes them: "HTTP://*:80/".
	URLs []string `json:"urls,omitempty"`
	// PIDs are the processes that it hands requests to. Where queues have no
	// name and the system lists URLs apart from queues, they are those of all
	// such queues, one of which registered the URLs.
	PIDs []int `json:"pids,omitempty"`
}

// PortForward is a rule by which the system passes connections on, as
// `netsh interface portproxy` makes them on Windows.
type PortForward struct {
	Network Network        `json:"network"`
	Listen  netip.AddrPort `json:"listen"`
	// To is where connections go: a host or an address, and a port.
	To string `json:"to"`
}
