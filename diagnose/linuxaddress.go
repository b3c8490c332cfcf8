package diagnose

import (
	"net/netip"

	"portdoc/netstate"
)

// linuxAddress4Refusal is EADDRNOTAVAIL for an IPv4 address, or an IPv4-mapped
// one, that is neither local nor the wildcard nor multicast nor broadcast.
// The device plays no role (inet_addr_type_table in net/ipv4/fib_frontend.c,
// inet_addr_valid_or_nonlocal in include/net/inet_sock.h).
func linuxAddress4Refusal(s *netstate.Snapshot, request netstate.BindRequest) (errno, missing string) {
	address := request.Address.Unmap()
	if address.IsUnspecified() || address.IsMulticast() || address == broadcast4 {
		return "", ""
	}
	for _, a := range s.Policy.Addresses {
		if linuxLocal4(a, address) {
			return "", ""
		}
	}
	return nonlocalRefusal(s, request, s.Policy.NonlocalBind4, "net.ipv4.ip_nonlocal_bind")
}

var broadcast4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// linuxLocal4 tells whether an interface's address makes another one bindable
// (fib_add_ifaddr in net/ipv4/fib_frontend.c, since 5.14): the address itself,
// the broadcast addresses, and on the loopback interface the whole prefix.
func linuxLocal4(a netstate.InterfaceAddress, address netip.Addr) bool {
	if !a.Prefix.Addr().Is4() {
		return false
	}
	return a.Prefix.Addr() == address || a.Broadcast == address ||
		a.Interface == "lo" && a.Prefix.Contains(address) ||
		a.Prefix.Bits() < 31 && lastAddress4(a.Prefix) == address
}

// lastAddress4 is the address of an IPv4 prefix whose host bits are all set.
func lastAddress4(p netip.Prefix) netip.Addr {
	last := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(last)
}

// nonlocalRefusal decides about an address that no interface has.
func nonlocalRefusal(s *netstate.Snapshot, request netstate.BindRequest, sysctl *bool, name string) (errno, missing string) {
	switch allowed := truthOf(request.FreeBind).or(known(sysctl)); {
	case allowed == yes:
		return "", ""
	case len(s.Policy.Addresses) == 0:
		return "", missingAddresses
	case allowed == unsure:
		return "", "the sysctl " + name
	}
	return "EADDRNOTAVAIL", ""
}

// linuxMulticast6Refusal: TCP takes no IPv6 multicast address. It takes IPv4
// ones.
func linuxMulticast6Refusal(_ *netstate.Snapshot, request netstate.BindRequest) (errno, missing string) {
	if request.Network == netstate.TCP && request.Address.IsMulticast() && !request.Address.Is4In6() {
		return "EINVAL", ""
	}
	return "", ""
}

// linuxAddress6Refusal checks an IPv6 address (__inet6_bind and ipv6_chk_addr
// in net/ipv6/addrconf.c).
func linuxAddress6Refusal(s *netstate.Snapshot, request netstate.BindRequest) (errno, missing string) {
	address := request.Address.WithZone("")
	switch {
	case address.Is4In6() && request.V6Only:
		return "EINVAL", ""
	case address.Is4In6():
		return linuxAddress4Refusal(s, request)
	case address.IsUnspecified():
		return "", ""
	}
	device := request.Device
	if needsScope(address) {
		if zone := zoneDevice(s, request.Address); zone != "" {
			device = zone
		}
		if device == "" {
			return "EINVAL", ""
		}
	}
	if address.IsMulticast() {
		return "", ""
	}
	if !scopedToDevice(address) {
		device = ""
	}
	if interfaceHas(s, address, device) {
		return "", ""
	}
	return nonlocalRefusal(s, request, s.Policy.NonlocalBind6, "net.ipv6.ip_nonlocal_bind")
}

// scopedToDevice tells whether the socket's device must be the one that has
// the address: so it is for link-local addresses and for ::1.
func scopedToDevice(a netip.Addr) bool { return a.IsLinkLocalUnicast() || a.IsLoopback() }
