// Package netns starts programs in network namespaces of their own, also for
// users who are not root (network_namespaces(7), user_namespaces(7)).
package netns

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// New makes a command start in a new network namespace, and in a user
// namespace as well where this process may not do the first alone. The
// loopback interface in it is down: see [LoopbackUp].
func New() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() == 0 {
		return attributes
	}
	attributes.Cloneflags |= syscall.CLONE_NEWUSER
	attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	return attributes
}

// LoopbackUp brings the loopback interface of this network namespace up. It
// needs CAP_NET_ADMIN, which a program that was started with [New] has.
func LoopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return os.NewSyscallError("ioctl", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request))
}
