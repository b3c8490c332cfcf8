//go:build linux || darwin || freebsd || openbsd || netbsd || dragonfly

package netstate

import (
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// privateSocket makes a socket that no other process inherits.
func privateSocket(family, kind int) (int, error) {
	syscall.ForkLock.RLock() // darwin has no SOCK_CLOEXEC
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(family, kind, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	return fd, err
}

// familyAvailable tells whether a socket of a family can be made.
func familyAvailable(s *Snapshot, family int, name string) *bool {
	fd, err := privateSocket(family, unix.SOCK_STREAM)
	available := err == nil
	if available {
		unix.Close(fd)
	} else if !slices.Contains([]error{unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT}, err) {
		s.limitPolicy("whether there is "+name, os.NewSyscallError("socket", err))
		return nil
	}
	return &available
}
