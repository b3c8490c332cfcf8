//go:build freebsd || openbsd || netbsd || dragonfly

package netstate

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// readPolicy fills in what the system lets this process bind, and who the
// process is. What can't be read is nil, and a limit.
func readPolicy(s *Snapshot) {
	s.Host.Release, _ = unix.Sysctl("kern.osrelease")
	uid := uint32(os.Geteuid())
	s.Policy.UID = &uid
	s.Host.Privileged = uid == 0
	s.Policy.BindPrivileged = new(uid == 0)
	s.Policy.IPv4 = familyAvailable(s, unix.AF_INET, "IPv4")
	s.Policy.IPv6 = familyAvailable(s, unix.AF_INET6, "IPv6")
	readBSDSettings(s, bsdSettingsOf(runtime.GOOS), unix.SysctlUint32)
	addresses, err := readAddresses()
	s.Policy.Addresses = addresses
	s.limitPolicy("the addresses of the interfaces", err)
}
