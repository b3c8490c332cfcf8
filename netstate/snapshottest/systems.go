package snapshottest

import (
	"net/netip"
	"time"

	"portdoc/netstate"
)

// NewMacOS begins a snapshot like that of [NewSnapshot] of a Mac.
func NewMacOS() *Snapshot {
	s := newBSD("darwin", "24.6.0", netstate.PortRange{First: 49152, Last: 65535})
	s.Policy.TimeWait = new(int64(30_000))
	return s
}

// NewFreeBSD begins one of a FreeBSD machine.
func NewFreeBSD() *Snapshot {
	return newBSD("freebsd", "14.3-RELEASE", netstate.PortRange{First: 10000, Last: 65535})
}

// NewOpenBSD begins one of an OpenBSD machine, which tells little.
func NewOpenBSD() *Snapshot {
	return newBSD("openbsd", "7.8", netstate.PortRange{First: 1024, Last: 49151}).
		Limit(netstate.LimitOwners, "which processes have the sockets", "this system's netstat does not name them")
}

// newBSD leaves out what only Linux has.
func newBSD(os, release string, lent netstate.PortRange) *Snapshot {
	s := NewSnapshot()
	s.Host.OS, s.Host.Release = os, release
	s.Policy.EphemeralPorts = &lent
	s.Policy.BindV6Only, s.Policy.AutobindReuse = nil, nil
	s.Policy.NonlocalBind4, s.Policy.NonlocalBind6 = nil, nil
	s.Policy.Addresses[2].Interface = "en0"
	return s
}

// NewWindows begins one of a Windows machine, which has no user ids.
func NewWindows() *Snapshot {
	s := newBSD("windows", "10.0.26100", netstate.PortRange{First: 49152, Last: 65535})
	s.Host.User = `WORK\alice`
	s.Users = nil
	s.Policy.UID, s.Policy.BindPrivileged, s.Policy.UnprivilegedPortStart, s.Policy.IPv6Disabled = nil, nil, nil, nil
	s.Policy.ExcludedPorts = map[netstate.Network][]netstate.PortRange{netstate.TCP: {}, netstate.UDP: {}}
	return s
}

// settle leaves of a socket what its system tells.
func (s *Snapshot) settle(socket *netstate.Socket) {
	if s.Host.OS == "linux" {
		if len(socket.Owners) > 0 && socket.Inode == 0 {
			s.inode++
			socket.Inode = s.inode
		}
		return
	}
	for i, owner := range socket.Owners {
		socket.Owners[i] = netstate.Owner{PID: owner.PID}
	}
	if s.Host.OS == "windows" {
		socket.UID = nil
	}
}

// adapt makes a process one of the snapshot's system. The program is the first
// word of its command.
func (s *Snapshot) adapt(p *netstate.Process, program string) {
	switch s.Host.OS {
	case "linux":
	case "windows":
		p.Exe, p.UID, p.User, p.PGID, p.SID = program, nil, s.Host.User, 0, 0
		p.ParentName, p.Ancestors = "explorer.exe", []int{4100}
	default:
		p.ParentName = "zsh"
	}
}

// LastUsedBy names a process beside the socket that need not have it.
func LastUsedBy(pid int) SocketFact { return func(s *netstate.Socket) { s.LastPID = pid } }

// CreatedBefore is how long before [Taken] the socket got its address.
func CreatedBefore(d time.Duration) SocketFact {
	return func(s *netstate.Socket) { s.Created = Taken.Add(-d) }
}

// OfService names the service that made the socket.
func OfService(name string) SocketFact { return func(s *netstate.Socket) { s.Service = name } }

// Alone sets SO_EXCLUSIVEADDRUSE.
func Alone(on bool) SocketFact { return func(s *netstate.Socket) { s.Options.Exclusive = &on } }

// Job makes the process one that the system's service manager started; user
// tells whether that is the user's own one.
func Job(label string, user bool) ProcessFact {
	return func(p *netstate.Process) {
		p.PPID, p.ParentName, p.Ancestors = 1, "launchd", []int{1}
		p.Unit, p.UserUnit = label, user
	}
}

// Serving makes the process one in which Windows services run.
func Serving(services ...string) ProcessFact {
	return func(p *netstate.Process) {
		p.PPID, p.ParentName, p.User = 900, "services.exe", `NT AUTHORITY\SYSTEM`
		p.Services = services
	}
}

// StartedBefore is how long before [Taken] the process was started.
func StartedBefore(d time.Duration) ProcessFact {
	return func(p *netstate.Process) { p.Started = Taken.Add(-d) }
}

// WindowsKernel adds the process that stands for the kernel of Windows.
func (s *Snapshot) WindowsKernel() *Snapshot {
	s.Processes = append(s.Processes, netstate.Process{PID: 4, Name: "System", State: netstate.Running})
	return s
}

// RequestQueue adds what a program has asked HTTP.sys to listen for.
func (s *Snapshot) RequestQueue(port uint16, name, url string, pids ...int) *Snapshot {
	s.Kernel = append(s.Kernel, netstate.KernelHolder{
		Network: netstate.TCP, Port: port, Name: "HTTP.sys", Kind: "http.sys",
		Queue: &netstate.RequestQueue{Name: name, URLs: []string{url}, PIDs: pids},
	})
	return s
}

// Forward adds a rule by which the system passes TCP connections on.
func (s *Snapshot) Forward(listen, to string) *Snapshot {
	s.Forwards = append(s.Forwards, netstate.PortForward{Network: netstate.TCP, Listen: netip.MustParseAddrPort(listen), To: to})
	return s
}

// Excluded adds TCP ports that the system has reserved.
func (s *Snapshot) Excluded(first, last uint16) *Snapshot {
	ranges := append(s.Policy.ExcludedPorts[netstate.TCP], netstate.PortRange{First: first, Last: last})
	s.Policy.ExcludedPorts[netstate.TCP] = ranges
	return s
}
