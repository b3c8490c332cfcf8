package diagnose_test

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// errDropped means that a trial could not be set up as it was meant to.
var errDropped = errors.New("not the state that was wanted")

// errnoName is "ok" or the name of an errno.
func errnoName(err error) string {
	if err == nil {
		return "ok"
	}
	if errno := unix.Errno(0); errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// become changes the thread's effective user. Sockets belong to the user who
// was effective when they were made, and the privilege to bind goes and comes
// with it. It needs a thread of its own, so it is no setuid(2) of package
// syscall, which changes all.
func become(uid uint32) error {
	keep := ^uintptr(0)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keep, uintptr(uid), keep); errno != 0 {
		return errno
	}
	return nil
}

// as calls something while the thread is another user.
func as(uid uint32, call func() error) error {
	if uid == 0 {
		return call()
	}
	if err := become(uid); err != nil {
		return err
	}
	err := call()
	return errors.Join(err, become(0))
}

// socketOptions are set before bind.
type socketOptions struct {
	reuseAddr, reusePort, v6only, freeBind bool
	device                                 string
	// portRange is IP_LOCAL_PORT_RANGE (Linux 6.3); 0 for none.
	portRange [2]uint16
}

// openSocket makes a socket; family is 4 or 6.
func openSocket(proto string, family int, o socketOptions) (int, error) {
	domain, kind := unix.AF_INET, unix.SOCK_STREAM
	if family == 6 {
		domain = unix.AF_INET6
	}
	if proto == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if err := o.set(fd, family); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (o *socketOptions) set(fd, family int) error {
	var errs []error
	set := func(level, option, value int) {
		errs = append(errs, unix.SetsockoptInt(fd, level, option, value))
	}
	if o.reuseAddr {
		set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if o.reusePort {
		set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	if family == 6 && o.v6only {
		set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if o.freeBind {
		set(unix.IPPROTO_IP, unix.IP_FREEBIND, 1)
	}
	if o.portRange[1] != 0 {
		set(unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, int(o.portRange[0])|int(o.portRange[1])<<16)
	}
	if o.device != "" {
		errs = append(errs, unix.BindToDevice(fd, o.device))
	}
	return errors.Join(errs...)
}

// sockaddr is an address for a socket of the family; IPv4 addresses are mapped
// for one of IPv6.
func sockaddr(family int, address netip.AddrPort, scope int) unix.Sockaddr {
	if family == 4 {
		return &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().Unmap().As4()}
	}
	return &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16(), ZoneId: uint32(scope)}
}

func addrPortOf(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

func localAddress(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	return addrPortOf(sa), err
}

// optionIsOn reads a boolean option; one that can't be read is off.
func optionIsOn(fd, level, option int) bool {
	value, err := unix.GetsockoptInt(fd, level, option)
	return err == nil && value != 0
}

// Numbers of TCP states (include/net/tcp_states.h).
const (
	tcpEstablished = 1
	tcpSynSent     = 2
	tcpFinWait2    = 5
	tcpClose       = 7
	tcpCloseWait   = 8
)

// awaitState waits until a TCP socket is in a state, for as long as the
// kernel takes to work off what it has queued: over the loopback that is no
// longer than a few turns of this loop.
func awaitState(fd int, state uint8) error {
	for range 20000 {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return err
		}
		if info.State == state {
			return nil
		}
		unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	}
	return errDropped
}

// acknowledgeEnd reads the end of the peer's stream and acknowledges it at
// once. The kernel would delay that, and does while the FIN is in the queue.
func acknowledgeEnd(fd int) error {
	if n, err := unix.Read(fd, make([]byte, 1)); n != 0 || err != nil {
		return errors.Join(errDropped, err)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
}

// reset ends a connection with a RST instead of a FIN.
func reset(fd int) error {
	linger := unix.Linger{Onoff: 1}
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &linger); err != nil {
		return err
	}
	return unix.Close(fd)
}
