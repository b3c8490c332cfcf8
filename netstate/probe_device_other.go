//go:build darwin || freebsd || openbsd || netbsd || dragonfly

package netstate

import "golang.org/x/sys/unix"

// bindToDevice fails: only Linux has SO_BINDTODEVICE.
func bindToDevice(int, string) error { return unix.ENOPROTOOPT }
