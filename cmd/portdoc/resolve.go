package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"portdoc/netstate"
)

// resolveTimeout is how long the addresses of a host name are waited for.
const resolveTimeout = 2 * time.Second

// resolve returns the addresses that a target's host stands for: none for both
// wildcards. localhost never asks the network (RFC 6761, section 6.3).
func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if host == "" {
		return nil, nil
	}
	if host == "localhost" {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address}, nil
	}
	return lookUp(ctx, host)
}

// lookUp asks the hosts file, then the name servers.
func lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	resolver := net.Resolver{PreferGo: true}
	found, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("%s is no host name that can be resolved here", quote(host))
	}
	var addresses []netip.Addr
	for _, address := range found {
		if address = address.Unmap(); !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	return addresses, nil
}

// reachable leaves IPv6's loopback address out of several where no interface
// has it: then localhost means 127.0.0.1 only. What the policy does not say is
// left alone.
func reachable(addresses []netip.Addr, policy *netstate.Policy) []netip.Addr {
	if len(addresses) < 2 || len(policy.Addresses) == 0 {
		return addresses
	}
	has := func(a netstate.InterfaceAddress) bool { return a.Prefix.Addr() == netip.IPv6Loopback() }
	if slices.ContainsFunc(policy.Addresses, has) {
		return addresses
	}
	return slices.DeleteFunc(slices.Clone(addresses), func(a netip.Addr) bool { return a == netip.IPv6Loopback() })
}
