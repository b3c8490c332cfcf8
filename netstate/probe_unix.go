//go:build linux || darwin || freebsd || openbsd || netbsd || dragonfly

package netstate

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// bindAndClose makes one bind. It returns false if there was none to make:
// this system has no such option, or this process no descriptor left.
func bindAndClose(r BindRequest) (result string, tried bool) {
	address, ok := socketAddress(r)
	if !ok || r.Exclusive || r.Network == Unix {
		return "", false
	}
	fd, err := probeSocket(r)
	if err != nil {
		return probeResult(err)
	}
	defer unix.Close(fd)
	if r.Device != "" {
		if err := bindToDevice(fd, r.Device); err != nil {
			return probeResult(err)
		}
	}
	if setProbeOptions(fd, r) != nil {
		return "", false
	}
	return probeResult(unix.Bind(fd, address))
}

// probeResult names what a system call answered. That this process is short of
// something, or the system has no such option, says nothing about the address.
func probeResult(err error) (string, bool) {
	switch err {
	case nil:
		return "ok", true
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ENOPROTOOPT:
		return "", false
	}
	errno, ok := err.(syscall.Errno)
	return unix.ErrnoName(errno), ok
}

// probeSocket makes the socket that is to be bound.
func probeSocket(r BindRequest) (int, error) {
	family, kind := unix.AF_INET6, unix.SOCK_STREAM
	if r.Address.Is4() {
		family = unix.AF_INET
	}
	if r.Network == UDP {
		kind = unix.SOCK_DGRAM
	}
	return privateSocket(family, kind)
}

// setProbeOptions sets the options of the request and no others.
func setProbeOptions(fd int, r BindRequest) error {
	if r.ReuseAddr {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
	}
	if r.ReusePort {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return err
		}
	}
	if r.Address.Is4() {
		return nil
	}
	only := 0
	if r.V6Only || runtime.GOOS == "openbsd" { // It has no dual-stack sockets.
		only = 1
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only)
}

// socketAddress is the address to bind. It returns false for a zone that no
// interface has.
func socketAddress(r BindRequest) (unix.Sockaddr, bool) {
	if r.Address.Is4() {
		return &unix.SockaddrInet4{Port: int(r.Port), Addr: r.Address.As4()}, true
	}
	zone, ok := zoneIndex(r.Address.Zone())
	return &unix.SockaddrInet6{Port: int(r.Port), Addr: r.Address.As16(), ZoneId: zone}, ok && r.Address.IsValid()
}
