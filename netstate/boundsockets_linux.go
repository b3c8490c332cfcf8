package netstate

import (
	"errors"

	"golang.org/x/sys/unix"
)

// listsBound tells whether this kernel lists sockets that are only bound.
// Linux 6.8 does; a release string that is older may hide a backport, so a
// socket is bound and looked for.
func (d *inetDiag) listsBound() (bool, error) {
	if releaseAtLeast(d.release, 6, 8) {
		return true, nil
	}
	return d.listsOwnBound()
}

// listsOwnBound looks for a bound socket of this process in a dump. Where no
// socket can be bound nothing was shown, which counts as no.
func (d *inetDiag) listsOwnBound() (bool, error) {
	fd, port, err := bindAnyPort()
	if err != nil {
		return false, nil
	}
	defer unix.Close(fd)
	found := false
	request := tcpDump(diagStateBound, 0, portSet{{First: port, Last: port}})
	err = d.dump(request, TCP, func(inetDiagRow) { found = true })
	if errors.Is(err, errInterrupted) {
		err = nil
	}
	return found, err
}

// bindAnyPort binds a socket to a port of the kernel's choice on the loopback
// address of the first family that there is.
func bindAnyPort() (fd int, port uint16, err error) {
	loopback := [16]byte{15: 1}
	for _, address := range []unix.Sockaddr{
		&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}},
		&unix.SockaddrInet6{Addr: loopback},
	} {
		if fd, port, err = bindSocket(address); err == nil {
			return fd, port, nil
		}
	}
	return -1, 0, err
}

func bindSocket(address unix.Sockaddr) (fd int, port uint16, err error) {
	family := unix.AF_INET
	if _, ok := address.(*unix.SockaddrInet6); ok {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, 0, err
	}
	if err = unix.Bind(fd, address); err == nil {
		address, err = unix.Getsockname(fd)
	}
	if err != nil {
		unix.Close(fd)
		return -1, 0, err
	}
	return fd, socketPort(address), nil
}

func socketPort(address unix.Sockaddr) uint16 {
	switch address := address.(type) {
	case *unix.SockaddrInet4:
		return uint16(address.Port)
	case *unix.SockaddrInet6:
		return uint16(address.Port)
	}
	return 0
}
