package main

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// defaultEchoPort is the port of the echo server and client.
const defaultEchoPort = "5188"

// splitEchoAddress splits HOST:PORT, :PORT, *:PORT or PORT. The host is "" for
// a wildcard.
func splitEchoAddress(text string) (host string, port uint16, ok bool) {
	if !strings.Contains(text, ":") {
		text = ":" + text
	}
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, false
	}
	if host == "*" {
		host = ""
	}
	return host, uint16(number), true
}

// listenAddress is the address that text asks a server to listen on. Without
// a host it is 0.0.0.0, or [::] when only IPv6 is wanted.
func listenAddress(ctx context.Context, text string, v6only bool) (netip.AddrPort, error) {
	host, port, ok := splitEchoAddress(text)
	if !ok {
		return netip.AddrPort{}, usageErrorf("--addr %q is no address to listen on; use for example :5188 or [::1]:5188", text)
	}
	addr, err := listenIP(ctx, host, v6only)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if v6only && addr.Is4() {
		return netip.AddrPort{}, usageErrorf("--v6only is for IPv6 addresses, and %s is an IPv4 one; use for example [::]:%d", addr, port)
	}
	return netip.AddrPortFrom(addr, port), nil
}

// listenIP is the address that host stands for; of several that a name has,
// an IPv4 address is taken before an IPv6 one.
func listenIP(ctx context.Context, host string, v6only bool) (netip.Addr, error) {
	if host == "" && v6only {
		return netip.IPv6Unspecified(), nil
	}
	if host == "" {
		return netip.IPv4Unspecified(), nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap(), nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, &exitError{1, err}
	}
	for _, addr := range addrs {
		if addr.Unmap().Is4() != v6only {
			return addr.Unmap(), nil
		}
	}
	return addrs[0], nil
}
