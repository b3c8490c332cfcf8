package netstate

// bsdSettings are the names that a BSD has for its settings, "" for those that
// it does not have.
type bsdSettings struct {
	// first and last are the range that port 0 draws from; either may be
	// the higher one.
	first, last string
	// reserved is the highest port that needs privilege.
	reserved string
	// v6Only is the default of IPV6_V6ONLY, segmentLifetime the MSL in
	// milliseconds.
	v6Only, segmentLifetime string
	// alwaysV6Only is for a system that has no dual-stack sockets.
	alwaysV6Only bool
}

// bsdSettingsOf are the settings of a system by its GOOS: ip(4) and inet6(4)
// of each, in_pcb.c for the range of port 0.
func bsdSettingsOf(system string) bsdSettings {
	switch system {
	case "freebsd", "dragonfly":
		return bsdSettings{
			first: "net.inet.ip.portrange.first", last: "net.inet.ip.portrange.last",
			reserved: "net.inet.ip.portrange.reservedhigh", v6Only: "net.inet6.ip6.v6only",
			segmentLifetime: "net.inet.tcp.msl",
		}
	case "openbsd":
		return bsdSettings{first: "net.inet.ip.portfirst", last: "net.inet.ip.portlast", alwaysV6Only: true}
	case "netbsd":
		return bsdSettings{
			first: "net.inet.ip.anonportmin", last: "net.inet.ip.anonportmax",
			v6Only: "net.inet6.ip6.v6only",
		}
	}
	return bsdSettings{}
}

// firstUnreserved is the first port that needs no privilege where no setting
// says so (IPPORT_RESERVED in netinet/in.h).
const firstUnreserved = 1024

// readBSDSettings fills in the settings; sysctl reads one by its name.
func readBSDSettings(s *Snapshot, names bsdSettings, sysctl func(string) (uint32, error)) {
	ask := func(name string) (value uint32, ok bool) {
		if name == "" {
			return 0, false
		}
		value, err := sysctl(name)
		s.limitPolicy(name, err)
		return value, err == nil
	}
	first, firstKnown := ask(names.first)
	last, lastKnown := ask(names.last)
	if firstKnown && lastKnown && max(first, last) < 1<<16 {
		s.Policy.EphemeralPorts = &PortRange{First: uint16(min(first, last)), Last: uint16(max(first, last))}
	}
	if names.reserved == "" {
		s.Policy.UnprivilegedPortStart = new(firstUnreserved)
	} else if reserved, ok := ask(names.reserved); ok && reserved < 1<<16 {
		s.Policy.UnprivilegedPortStart = new(int(reserved) + 1)
	}
	if names.alwaysV6Only {
		s.Policy.BindV6Only = new(true)
	} else if s.Policy.IPv6 == nil || *s.Policy.IPv6 { // without IPv6 there is no such setting
		if only, ok := ask(names.v6Only); ok {
			s.Policy.BindV6Only = new(only != 0)
		}
	}
	if lifetime, ok := ask(names.segmentLifetime); ok {
		s.Policy.TimeWait = new(2 * int64(lifetime))
	}
}
