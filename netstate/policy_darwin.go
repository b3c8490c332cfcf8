package netstate

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// firstUnprivilegedPort is IPPORT_RESERVED (bsd/netinet/in.h of xnu). Since
// macOS 10.14 the ports below matter only to specific addresses.
const firstUnprivilegedPort = 1024

// readPolicy fills in what the system lets this process bind, and who the
// process is. What can't be read is nil, and a limit.
func readPolicy(s *Snapshot) {
	readIdentity(s)
	s.Policy.IPv4 = familyAvailable(s, unix.AF_INET, "IPv4")
	s.Policy.IPv6 = familyAvailable(s, unix.AF_INET6, "IPv6")
	s.readPortRange()
	msl, err := unix.SysctlUint32("net.inet.tcp.msl") // milliseconds
	if err == nil {
		s.Policy.TimeWait = new(2 * int64(msl))
	}
	s.limitPolicy("net.inet.tcp.msl", err)
	s.Policy.Addresses, err = readAddresses()
	s.limitPolicy("the addresses of the interfaces", err)
}

func readIdentity(s *Snapshot) {
	release, err := unix.Sysctl("kern.osrelease")
	s.Host.Release = release
	s.limitPolicy("kern.osrelease", err)
	uid := uint32(os.Geteuid())
	s.Policy.UID = &uid
	s.Host.Privileged = uid == 0
	s.Policy.BindPrivileged = new(uid == 0)
	s.Policy.UnprivilegedPortStart = new(firstUnprivilegedPort)
}

// readPortRange fills in the range that port 0 draws from.
func (s *Snapshot) readPortRange() {
	const name = "net.inet.ip.portrange"
	first, err := unix.SysctlUint32(name + ".first")
	if err != nil {
		s.limitPolicy(name+".first", err)
		return
	}
	last, err := unix.SysctlUint32(name + ".last")
	if err == nil && (first > 0xffff || last > 0xffff) {
		err = fmt.Errorf("%d-%d is no range of ports", first, last)
	}
	if err != nil {
		s.limitPolicy(name+".last", err)
		return
	}
	// The kernel takes either order: "first" above "last" counts down.
	s.Policy.EphemeralPorts = &PortRange{First: uint16(min(first, last)), Last: uint16(max(first, last))}
}
