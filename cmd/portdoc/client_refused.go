package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"portdoc/netstate"
)

// refusal says what is there instead of a listener, if err is a connection
// that was refused.
func refusal(ctx context.Context, err error) string {
	failed := (*net.OpError)(nil)
	if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &failed) {
		return ""
	}
	remote, ok := failed.Addr.(*net.TCPAddr)
	if !ok {
		return ""
	}
	address := netip.AddrPortFrom(remote.AddrPort().Addr().Unmap(), uint16(remote.Port))
	s, err := netstate.Read(ctx, netstate.Query{Endpoints: []netstate.Endpoint{
		{Network: netstate.TCP, Port: address.Port(), LastPort: address.Port()}}})
	if err != nil || !localAddress(address.Addr(), s) {
		return fmt.Sprintf(": nothing listens on %s, or a firewall says so", address)
	}
	return fmt.Sprintf(": nothing listens on %s%s", address, othersOn(s, address.Port()))
}

// localAddress tells whether an address is one of the snapshot's machine.
func localAddress(address netip.Addr, s *netstate.Snapshot) bool {
	return address.IsLoopback() || address.IsUnspecified() || slices.ContainsFunc(s.Policy.Addresses,
		func(a netstate.InterfaceAddress) bool { return a.Prefix.Addr() == address.WithZone("") })
}

// othersOn says which sockets have the port, as a clause. Nothing is said of
// what could not be seen.
func othersOn(s *netstate.Snapshot, port uint16) string {
	const most = 3
	var rows []string
	for _, socket := range s.Sockets {
		rows = append(rows, fmt.Sprintf("%s on %s", socket.State, socket.Local))
	}
	slices.Sort(rows)
	rows = slices.Compact(rows)
	switch more := len(rows) - most; {
	case len(rows) == 0 && len(s.Limits) == 0:
		return fmt.Sprintf("; no socket of this machine has port %d", port)
	case len(rows) == 0:
		return ""
	case more > 0:
		rows = append(rows[:most], fmt.Sprintf("%d more", more))
	}
	return "; the port is taken by " + strings.Join(rows, ", ")
}
