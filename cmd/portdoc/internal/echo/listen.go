package echo

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// ListenOptions are the options of a listening socket. All of them are set
// before bind, so that none is left as the Go runtime would have it.
type ListenOptions struct {
	// ReuseAddr is SO_REUSEADDR. The net package sets it on every listener
	// except on Windows, where it would let two programs share a port.
	ReuseAddr bool
	// ReusePort is SO_REUSEPORT, which Windows does not have.
	ReusePort bool
	// V6Only is IPV6_V6ONLY, for IPv6 addresses only: without it, [::] also
	// takes IPv4 connections.
	V6Only bool
	// Backlog is what listen(2) is given; 0 stands for the system's
	// maximum (net.core.somaxconn on Linux).
	Backlog int
}

// Listen makes a TCP socket that listens on address. A failed bind is a
// [*net.OpError] around a [syscall.Errno].
func Listen(ctx context.Context, address netip.AddrPort, options ListenOptions) (*net.TCPListener, error) {
	network := "tcp6"
	if address.Addr().Is4() {
		network = "tcp4"
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd uintptr) error { return setOptions(fd, network, options) })
	}}
	config.SetMultipathTCP(false) // the lessons are about plain TCP, and splice(2) needs it
	listener, err := config.Listen(ctx, network, address.String())
	if err != nil {
		return nil, err
	}
	tcp := listener.(*net.TCPListener)
	if err := setBacklog(tcp, options.Backlog); err != nil {
		tcp.Close()
		return nil, err
	}
	return tcp, nil
}

// setBacklog calls listen(2) again: the net package gives the first call the
// system's maximum, and a later call replaces the number.
func setBacklog(listener *net.TCPListener, backlog int) error {
	if backlog == 0 {
		return nil
	}
	raw, err := listener.SyscallConn()
	if err != nil {
		return err
	}
	if err := control(raw, func(fd uintptr) error { return listen(fd, backlog) }); err != nil {
		return fmt.Errorf("listen with a backlog of %d: %w", backlog, err)
	}
	return nil
}

// control runs f on the descriptor of raw.
func control(raw syscall.RawConn, f func(fd uintptr) error) error {
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(fd) }); err != nil {
		return err
	}
	return failed
}
