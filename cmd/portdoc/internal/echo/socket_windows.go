package echo

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// ipv6Only is IPV6_V6ONLY of ws2ipdef.h.
const ipv6Only = 27

// setOptions sets the options of a socket that is not bound yet.
func setOptions(fd uintptr, network string, options ListenOptions) error {
	if options.ReusePort {
		return errors.New("SO_REUSEPORT does not exist on Windows")
	}
	if err := setOption(fd, windows.SOL_SOCKET, windows.SO_REUSEADDR, options.ReuseAddr); err != nil {
		return os.NewSyscallError("SO_REUSEADDR", err)
	}
	if network != "tcp6" {
		return nil
	}
	return os.NewSyscallError("IPV6_V6ONLY", setOption(fd, windows.IPPROTO_IPV6, ipv6Only, options.V6Only))
}

func setOption(fd uintptr, level, option int, on bool) error {
	value := 0
	if on {
		value = 1
	}
	return windows.SetsockoptInt(windows.Handle(fd), level, option, value)
}

func listen(fd uintptr, backlog int) error { return windows.Listen(windows.Handle(fd), backlog) }

// errnoName returns "": Windows has numbers, and its texts say enough.
func errnoName(error) string { return "" }
