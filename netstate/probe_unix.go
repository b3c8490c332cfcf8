//go:build linux || darwin || freebsd || openbsd || netbsd || dragonfly

package netstate

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// systemProber is what a [Prober] knows of this system.
type systemProber struct {
	// v6only is IPV6_V6ONLY of a new socket, nil before the first.
	v6only *int
	// ipv4 and ipv6 are room for the address of the bind at hand.
	ipv4 unix.SockaddrInet4
	ipv6 unix.SockaddrInet6
}

// bindAndClose makes one bind. It returns false if there was none to make:
// this system has no such option, or this process no descriptor left.
func (p *systemProber) bindAndClose(r BindRequest) (result string, tried bool) {
	address, ok := p.socketAddress(r)
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
	if p.setOptions(fd, r) != nil {
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

// setOptions sets the options of the request and no others.
func (p *systemProber) setOptions(fd int, r BindRequest) error {
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
	return p.setV6Only(fd, r.V6Only || runtime.GOOS == "openbsd") // It has no dual-stack sockets.
}

// setV6Only sets the option if a new socket has it otherwise: of a thousand
// binds that is a call less for each.
func (p *systemProber) setV6Only(fd int, on bool) error {
	wanted := 0
	if on {
		wanted = 1
	}
	if p.v6only == nil {
		value, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return err
		}
		p.v6only = &value
	}
	if *p.v6only == wanted {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, wanted)
}

// socketAddress is the address to bind. It returns false for a zone that no
// interface has.
func (p *systemProber) socketAddress(r BindRequest) (unix.Sockaddr, bool) {
	if r.Address.Is4() {
		p.ipv4.Port, p.ipv4.Addr = int(r.Port), r.Address.As4()
		return &p.ipv4, true
	}
	zone, ok := zoneIndex(r.Address.Zone())
	p.ipv6.Port, p.ipv6.Addr, p.ipv6.ZoneId = int(r.Port), r.Address.As16(), zone
	return &p.ipv6, ok && r.Address.IsValid()
}
