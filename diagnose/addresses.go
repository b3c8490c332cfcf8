package diagnose

import (
	"net/netip"
	"strconv"

	"portdoc/netstate"
)

// isV4 tells whether a socket with this address takes part in IPv4: its
// address is an IPv4 one, or IPv4-mapped.
func isV4(a netip.Addr) bool { return a.Is4() || a.Is4In6() }

// isWildcard is true of 0.0.0.0, ::, and ::ffff:0.0.0.0.
func isWildcard(a netip.Addr) bool { return a.Unmap().IsUnspecified() }

// interfaceHas tells whether an interface has the address, for certain; device
// limits the search to one interface, "" to none.
func interfaceHas(s *netstate.Snapshot, address netip.Addr, device string) bool {
	for _, a := range s.Policy.Addresses {
		if a.Prefix.Addr().WithZone("") == address && !a.Tentative && (device == "" || a.Interface == device) {
			return true
		}
	}
	return false
}

// missingAddresses is what is missing where no interface address is known: an
// empty list is one that was not read.
const missingAddresses = "the addresses of the interfaces"

// needsScope tells whether an IPv6 address means nothing without an interface
// (__ipv6_addr_needs_scope_id in include/net/ipv6.h).
func needsScope(a netip.Addr) bool {
	return a.Is6() && !a.Is4In6() &&
		(a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast())
}

// zoneDevice is the name of the interface that the zone of a link-local
// address names or numbers, "" for none. Other addresses have no use for a
// zone.
func zoneDevice(s *netstate.Snapshot, address netip.Addr) string {
	zone := address.Zone()
	if !needsScope(address.WithZone("")) {
		return ""
	}
	index, err := strconv.Atoi(zone)
	if err != nil {
		return zone
	}
	for _, a := range s.Policy.Addresses {
		if a.Index == index {
			return a.Interface
		}
	}
	return zone
}
