//go:build linux || darwin || freebsd || openbsd || netbsd || dragonfly

package netstate

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

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
