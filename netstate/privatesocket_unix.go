//go:build linux || freebsd || openbsd || netbsd || dragonfly

package netstate

import "golang.org/x/sys/unix"

// privateSocket makes a socket that no other process inherits.
func privateSocket(family, kind int) (int, error) {
	return unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
}
