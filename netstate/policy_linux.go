package netstate

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// readPolicy fills in what the system lets this process bind, and who the
// process is. What can't be read is nil, and a limit.
func readPolicy(s *Snapshot) {
	readIdentity(s)
	s.Policy.IPv4 = familyAvailable(s, unix.AF_INET, "IPv4")
	s.Policy.IPv6 = familyAvailable(s, unix.AF_INET6, "IPv6")
	readSysctls(s)
	addresses, err := readAddresses()
	s.Policy.Addresses = addresses
	s.limitPolicy("the addresses of the interfaces", err)
}

// readIdentity fills in the host's name for itself and what the reader is.
func readIdentity(s *Snapshot) {
	var system unix.Utsname
	if err := unix.Uname(&system); err == nil {
		s.Host.Release = unix.ByteSliceToString(system.Release[:])
	}
	uid := uint32(os.Geteuid())
	s.Policy.UID = &uid
	capabilities, err := effectiveCapabilities()
	if err != nil {
		s.limitPolicy("the capabilities of this process", err)
		return
	}
	s.Host.Privileged = uid == 0 && initialUserNamespace() && capabilities&(1<<unix.CAP_SYS_PTRACE) != 0
	may := capabilities&(1<<unix.CAP_NET_BIND_SERVICE) != 0
	if may {
		may, err = ownsNetwork()
	}
	if err != nil {
		s.limitPolicy("whether CAP_NET_BIND_SERVICE holds in this network namespace", err)
		return
	}
	s.Policy.BindPrivileged = &may
}

// effectiveCapabilities are those of this thread, as a bit set.
func effectiveCapabilities() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, os.NewSyscallError("capget", err)
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), nil
}

// initialUserNamespace tells whether user ids mean the same as in the first
// user namespace (user_namespaces(7)).
func initialUserNamespace() bool {
	text, err := readProc("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(text), " ") == "0 0 4294967295"
}

// ownsNetwork tells whether this process's capabilities hold in its network
// namespace: the user namespace that owns it must be the process's own or a
// descendant of that. For others NS_GET_USERNS gives EPERM (ioctl_nsfs(2),
// Linux 4.9). A root made by unshare(1) without a new network does not own it.
func ownsNetwork() (bool, error) {
	const path = "/proc/thread-self/ns/net"
	network, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(network)
	owner, err := unix.IoctlRetInt(network, unix.NS_GET_USERNS)
	if errors.Is(err, unix.EPERM) {
		return false, nil
	}
	if err != nil {
		return false, os.NewSyscallError("ioctl", err)
	}
	return true, unix.Close(owner)
}

// sysctls are the settings by their paths below /proc/sys/net, which shows
// those of the reader's own network namespace.
var sysctls = []struct {
	path string
	set  func(*Policy, string) error
	// optional is a setting whose absence means that the kernel is older
	// than what it switches.
	optional bool
}{
	{path: "ipv4/ip_local_port_range", set: func(p *Policy, text string) (err error) {
		p.EphemeralPorts, err = parseSysctlRange(text)
		return err
	}},
	{path: "ipv4/ip_local_reserved_ports", set: func(p *Policy, text string) (err error) {
		p.ReservedPorts, err = parseSysctlPorts(text)
		return err
	}},
	{path: "ipv4/ip_unprivileged_port_start", set: func(p *Policy, text string) error {
		start, err := strconv.Atoi(text)
		if err == nil {
			p.UnprivilegedPortStart = &start
		}
		return err
	}},
	{path: "ipv4/ip_nonlocal_bind", set: setBool(func(p *Policy) **bool { return &p.NonlocalBind4 })},
	{path: "ipv4/ip_autobind_reuse", set: setBool(func(p *Policy) **bool { return &p.AutobindReuse }), optional: true},
	{path: "ipv6/ip_nonlocal_bind", set: setBool(func(p *Policy) **bool { return &p.NonlocalBind6 })},
	{path: "ipv6/bindv6only", set: setBool(func(p *Policy) **bool { return &p.BindV6Only })},
	{path: "ipv6/conf/all/disable_ipv6", set: setBool(func(p *Policy) **bool { return &p.IPv6Disabled })},
}

// setBool makes a setter of one of a policy's switches.
func setBool(field func(*Policy) **bool) func(*Policy, string) error {
	return func(p *Policy, text string) (err error) {
		*field(p), err = parseSysctlBool(text)
		return err
	}
}

// readSysctls fills in the settings of the system. What it could not read is
// one limit. Without IPv6 there are no settings of it.
func readSysctls(s *Snapshot) {
	var missing []string
	var failure error
	noIPv6 := s.Policy.IPv6 != nil && !*s.Policy.IPv6
	for _, setting := range sysctls {
		if noIPv6 && strings.HasPrefix(setting.path, "ipv6/") {
			continue
		}
		text, err := readProc("/proc/sys/net/" + setting.path)
		if err == nil {
			err = setting.set(&s.Policy, text)
		}
		if err != nil && !(setting.optional && errors.Is(err, os.ErrNotExist)) {
			missing = append(missing, "net."+strings.ReplaceAll(setting.path, "/", "."))
			failure = err
		}
	}
	s.limitPolicy(strings.Join(missing, ", "), failure)
}

// readProc reads a small file of /proc in one read(2): the kernel gives a list
// of ports only to the first, and cuts it off where the buffer ends.
func readProc(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	for size := 512; ; size *= 16 {
		buffer := make([]byte, size)
		n, err := unix.Pread(fd, buffer, 0)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return "", &os.PathError{Op: "read", Path: path, Err: err}
		}
		if n < size {
			return strings.TrimSpace(string(buffer[:n])), nil
		}
	}
}
