//go:build unix

package echo

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// setOptions sets the options of a socket that is not bound yet.
func setOptions(fd uintptr, network string, options ListenOptions) error {
	if err := setOption(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, options.ReuseAddr); err != nil {
		return os.NewSyscallError("SO_REUSEADDR", err)
	}
	if err := setOption(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, options.ReusePort); err != nil {
		return os.NewSyscallError("SO_REUSEPORT", err)
	}
	if network != "tcp6" {
		return nil
	}
	return os.NewSyscallError("IPV6_V6ONLY", setOption(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, options.V6Only))
}

func setOption(fd uintptr, level, option int, on bool) error {
	value := 0
	if on {
		value = 1
	}
	return unix.SetsockoptInt(int(fd), level, option, value)
}

func listen(fd uintptr, backlog int) error { return unix.Listen(int(fd), backlog) }

// errnoName returns the name of the errno in err, as "ECONNRESET", or "".
func errnoName(err error) string {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return ""
}
