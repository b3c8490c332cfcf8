//go:build !linux

package netstate

import (
	"errors"
	"net"
	"net/netip"
)

// readAddresses lists the addresses of all interfaces, ordered by interface.
func readAddresses() ([]InterfaceAddress, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var addresses []InterfaceAddress
	var failures []error
	for _, i := range interfaces {
		of, err := i.Addrs()
		failures = append(failures, err)
		for _, a := range of {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				addresses = append(addresses, InterfaceAddress{Interface: i.Name, Index: i.Index, Prefix: prefix})
			}
		}
	}
	sortAddresses(addresses)
	return addresses, errors.Join(failures...)
}
