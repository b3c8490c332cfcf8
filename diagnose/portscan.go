package diagnose

import (
	"slices"

	"portdoc/netstate"
)

// portScan is the search for a free port in the ephemeral range, which a bind
// of port 0 begins.
type portScan struct {
	network netstate.Network
	// keeps tells whether a socket keeps the newcomer from its port.
	keeps func(*netstate.Socket) truth
	// leftOut is how many ports the system may miss by chance.
	leftOut int
	// exhausted is the errno when no port is left.
	exhausted string
	// uid is the user of the newcomer, nil where not known.
	uid *uint32
}

func (p *portScan) run(s *netstate.Snapshot) Prediction {
	if s.Policy.EphemeralPorts == nil {
		return Prediction{Bind: ResultUnknown, Missing: "the range of the ephemeral ports"}
	}
	switch use := s.Ephemeral; {
	case use != nil && use.Network == p.network && use.Available-use.Used > p.leftOut:
		return Prediction{Bind: ResultOK} // There are ports that no socket has.
	case !queried(s, p.network, *s.Policy.EphemeralPorts):
		return Prediction{Bind: ResultUnknown, Missing: "the sockets that have the ephemeral ports"}
	}
	ports := ephemeralPorts(s)
	var taken portVerdicts
	found := p.look(s, ports, &taken)
	return p.conclude(s, ports, &taken, found)
}

// queried tells whether the snapshot was asked about all of the ports.
func queried(s *netstate.Snapshot, network netstate.Network, ports netstate.PortRange) bool {
	return slices.ContainsFunc(s.Query.Endpoints, func(e netstate.Endpoint) bool {
		return e.Network == network && e.Port != 0 && e.Port <= ports.First && ports.Last <= max(e.Port, e.LastPort)
	})
}

// ephemeralPorts are the ports of the range that are not reserved.
func ephemeralPorts(s *netstate.Snapshot) []uint16 {
	var ports []uint16
	for port := int(s.Policy.EphemeralPorts.First); port <= int(s.Policy.EphemeralPorts.Last); port++ {
		reserved := func(r netstate.PortRange) bool { return r.Contains(uint16(port)) }
		if !slices.ContainsFunc(s.Policy.ReservedPorts, reserved) {
			ports = append(ports, uint16(port))
		}
	}
	return ports
}

// portVerdicts tells of each port whether it is kept from the newcomer.
type portVerdicts [1 << 16]truth

// look asks every socket that has one of the ports.
func (p *portScan) look(s *netstate.Snapshot, ports []uint16, taken *portVerdicts) search {
	var candidate [1 << 16]bool
	for _, port := range ports {
		candidate[port] = true
	}
	var found search
	for i := range s.Sockets {
		e := &s.Sockets[i]
		if port := e.Local.Port(); candidate[port] && holdsPort(e, p.network) {
			conflict := p.keeps(e)
			taken[port] = taken[port].or(conflict)
			found.add(i, conflict)
		}
	}
	return found
}

// holdsPort tells whether e has a port of the network. A connection request
// has none of its own: SYN_RECV without an inode.
func holdsPort(e *netstate.Socket, network netstate.Network) bool {
	return e.Network == network && (e.State != netstate.StateSynRecv || e.Inode != 0)
}

func (p *portScan) conclude(s *netstate.Snapshot, ports []uint16, taken *portVerdicts, found search) Prediction {
	var count [yes + 1]int
	for _, port := range ports {
		count[taken[port]]++
	}
	switch {
	case count[no] > p.leftOut:
		return Prediction{Bind: ResultOK}
	case count[no] > 0:
		return Prediction{Bind: ResultUnknown, Missing: "whether the system happens to look at the last free port"}
	case count[unsure] > 0:
		return Prediction{Bind: ResultUnknown, Undecided: found.undecided, Missing: missingFacts(s, found.undecided, p.uid, p.keeps)}
	case len(ports) == 1:
		return Prediction{Bind: p.exhausted, Culprits: found.conflicts, Undecided: found.undecided}
	}
	return Prediction{Bind: p.exhausted}
}
