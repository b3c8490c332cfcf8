package main

import (
	"fmt"
	"net/netip"
	"slices"

	"portdoc/netstate"
)

// badPorts are the ports to which no browser connects: the table of bad ports
// in the Fetch standard, section "Port blocking" (read in 2026).
var badPorts = []uint16{
	1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95,
	101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179,
	389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587,
	601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
	6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
}

// usualService is a service of a system that has a port on many machines.
type usualService struct {
	os      string
	network netstate.Network
	port    uint16
	name    string
	// everywhere: developers have that system beside the one they deploy to,
	// and the port is one that they choose.
	everywhere bool
}

var usualServices = []usualService{
	{"darwin", netstate.TCP, 5000, "AirPlay Receiver of macOS", true},
	{"darwin", netstate.TCP, 7000, "AirPlay Receiver of macOS", true},
	{"darwin", netstate.UDP, 5353, "mDNSResponder", false},
	{"darwin", netstate.TCP, 631, "the printing service (CUPS)", false},
	{"linux", netstate.TCP, 53, "systemd-resolved or dnsmasq", false},
	{"linux", netstate.UDP, 53, "systemd-resolved or dnsmasq", false},
	{"linux", netstate.UDP, 5353, "avahi-daemon", false},
	{"linux", netstate.TCP, 631, "the printing service (CUPS)", false},
	{"linux", netstate.TCP, 111, "rpcbind", false},
	{"windows", netstate.TCP, 80, "HTTP.sys (IIS and others)", false},
	{"windows", netstate.TCP, 135, "the RPC endpoint mapper", false},
	{"windows", netstate.TCP, 445, "file sharing (SMB)", false},
	{"windows", netstate.TCP, 3389, "Remote Desktop", false},
	{"windows", netstate.TCP, 5357, "device discovery (WSDAPI)", false},
	{"windows", netstate.TCP, 5985, "remote management (WinRM)", false},
}

// warnOfLater adds what will go wrong with targets that can be bound now.
func warnOfLater(results []checked, s *netstate.Snapshot, reusePort bool) {
	for i := range results {
		r := &results[i]
		r.warnings = slices.Clone(r.warnings)
		if r.network == netstate.Unix || r.port == 0 {
			continue
		}
		r.warnings = append(r.warnings, portWarnings(r.subject, s)...)
	}
	if !reusePort {
		warnOfEachOther(results, s)
	}
}

// portWarnings are those about the number of a port.
func portWarnings(t *subject, s *netstate.Snapshot) []string {
	var warnings []string
	if r := s.Policy.EphemeralPorts; r != nil && r.Contains(t.port) && !reserved(s, t.port) {
		warnings = append(warnings, fmt.Sprintf("outgoing connections get their source ports from %d-%d, so one of them may have it when the server starts", r.First, r.Last))
	}
	if _, bad := slices.BinarySearch(badPorts, t.port); bad && t.network == netstate.TCP {
		warnings = append(warnings, "browsers refuse to connect to it, should it be for a web server")
	}
	for _, service := range usualServices {
		if service.port == t.port && service.network == t.network && (service.everywhere || service.os == s.Host.OS) {
			warnings = append(warnings, fmt.Sprintf("%s commonly takes it", service.name))
		}
	}
	return warnings
}

func reserved(s *netstate.Snapshot, port uint16) bool {
	return slices.ContainsFunc(s.Policy.ReservedPorts, func(r netstate.PortRange) bool { return r.Contains(port) })
}

// place is all that targets have to share to exclude each other.
type place struct {
	network netstate.Network
	port    uint16
	path    string
}

// warnOfEachOther warns of targets each of which can be bound, but not both.
func warnOfEachOther(results []checked, s *netstate.Snapshot) {
	if ascending(results) {
		return
	}
	before := make(map[place][]int)
	for i := range results {
		r := &results[i]
		if r.port == 0 && r.network != netstate.Unix {
			continue
		}
		at := place{r.network, r.port, r.path}
		for _, j := range before[at] {
			if warning := exclusion(r, &results[j], s); warning != "" {
				r.warnings = append(r.warnings, warning)
			}
		}
		before[at] = append(before[at], i)
	}
}

// ascending tells whether each target has a higher port than the one before, as
// in a range: no port is there twice.
func ascending(results []checked) bool {
	for i := 1; i < len(results); i++ {
		if before, r := &results[i-1], &results[i]; r.network != before.network || r.port <= before.port {
			return false
		}
	}
	return true
}

// exclusion says that two targets of one port exclude each other, "" if they
// do not.
func exclusion(r, other *checked, s *netstate.Snapshot) string {
	name := other.label()
	if origin := other.source.String(); origin != "" {
		name += ", " + origin
	}
	switch {
	case r.target == other.target && r.source.file != other.source.file:
		return "" // two files that speak of one server
	case r.target == other.target:
		return "it is wanted twice, and only one can have it: " + name
	case !overlap(boundAddresses(r.subject, s), boundAddresses(other.subject, s)):
		return ""
	case s.Host.OS == "linux":
		return "only one of them can be bound: it, or " + name
	}
	return "perhaps only one of them can be bound: it, or " + name
}

// boundAddresses are those that a server of the target binds.
func boundAddresses(t *subject, s *netstate.Snapshot) []netip.Addr {
	if len(t.addresses) > 0 {
		return reachable(t.addresses, &s.Policy)
	}
	return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
}

// overlap tells whether two sets of addresses have one in common. [::] has the
// IPv4 addresses too.
func overlap(a, b []netip.Addr) bool {
	return slices.ContainsFunc(a, func(x netip.Addr) bool {
		return slices.ContainsFunc(b, func(y netip.Addr) bool { return includes(x, y) || includes(y, x) })
	})
}

func includes(x, y netip.Addr) bool {
	return x == y || x == netip.IPv6Unspecified() || x == netip.IPv4Unspecified() && y.Is4()
}
