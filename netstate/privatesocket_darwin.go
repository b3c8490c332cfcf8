package netstate

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// privateSocket makes a socket that no other process inherits. The lock keeps
// this process from starting one before it is marked: there is no
// SOCK_CLOEXEC.
func privateSocket(family, kind int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(family, kind, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	return fd, err
}
