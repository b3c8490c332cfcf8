package diagnose

import (
	"slices"

	"portdoc/netstate"
)

// choosePort predicts a bind of port 0, for which the kernel looks through the
// ephemeral range: inet_csk_find_open_port in net/ipv4/inet_connection_sock.c,
// udp_lib_get_port in net/ipv4/udp.c.
func (n *linuxSocket) choosePort(s *netstate.Snapshot) Prediction {
	if s.Policy.EphemeralPorts == nil {
		return Prediction{Bind: ResultUnknown, Missing: "the range of the ephemeral ports"}
	}
	scan := newPortScan(s, n.network)
	switch {
	case scan.plentyLeft(s):
		return n.success(s, 0)
	case !queried(s, n.network, *s.Policy.EphemeralPorts):
		return Prediction{Bind: ResultUnknown, Missing: "the sockets that have the ephemeral ports"}
	case n.network == netstate.UDP:
		return n.chosen(s, scan, n.conflict)
	}
	first := n.chosen(s, scan, n.meets)
	if first.Bind == ResultOK || !n.reuseAddr {
		return first
	}
	return n.chooseAgain(s, scan, first)
}

// chooseAgain: with net.ipv4.ip_autobind_reuse (since 5.7) TCP looks through
// the range a second time, and shares where SO_REUSEADDR allows it.
func (n *linuxSocket) chooseAgain(s *netstate.Snapshot, scan portScan, first Prediction) Prediction {
	second := n.chosen(s, scan, n.autobindConflict)
	switch allowed := known(s.Policy.AutobindReuse); {
	case allowed == yes:
		return second
	case allowed == no || first.Bind == second.Bind && first.Bind != ResultUnknown:
		return first
	}
	return Prediction{Bind: ResultUnknown, Missing: "the sysctl net.ipv4.ip_autobind_reuse"}
}

// autobindConflict is conflict for the second look: SO_REUSEADDR must permit
// the sharing, and does not where SO_REUSEPORT would too.
func (n *linuxSocket) autobindConflict(e *netstate.Socket) truth {
	byAddress, byPort := n.sharesByAddress(e), n.sharesByPort(e)
	return n.meets(e).and(byAddress.and(byPort.not()).not())
}

// portScan is the part of the ephemeral range that is not reserved.
type portScan struct {
	ports     []uint16
	candidate [1 << 16]bool
	// leftOut is how many ports a scan may miss by chance: one, where TCP
	// looks through a range of an odd number of ports.
	leftOut int
}

// newPortScan needs to know the range.
func newPortScan(s *netstate.Snapshot, network netstate.Network) portScan {
	ports := s.Policy.EphemeralPorts
	first, last := int(ports.First), int(ports.Last)
	var scan portScan
	for port := first; port <= last; port++ {
		reserved := func(r netstate.PortRange) bool { return r.Contains(uint16(port)) }
		if !slices.ContainsFunc(s.Policy.ReservedPorts, reserved) {
			scan.ports = append(scan.ports, uint16(port))
			scan.candidate[port] = true
		}
	}
	if size := last - first + 1; network == netstate.TCP && size > 1 && size%2 == 1 {
		scan.leftOut = 1
	}
	return scan
}

// plentyLeft tells whether ports are left that no socket at all has, by the
// count of those that are taken.
func (p *portScan) plentyLeft(s *netstate.Snapshot) bool {
	return s.Ephemeral != nil && s.Ephemeral.Available-s.Ephemeral.Used > p.leftOut
}

// queried tells whether the snapshot was asked about every port of a range.
func queried(s *netstate.Snapshot, network netstate.Network, ports netstate.PortRange) bool {
	return slices.ContainsFunc(s.Query.Endpoints, func(e netstate.Endpoint) bool {
		return e.Network == network && e.Port != 0 && e.Port <= ports.First && ports.Last <= max(e.Port, e.LastPort)
	})
}

// chosen looks for a port that no socket keeps from n.
func (n *linuxSocket) chosen(s *netstate.Snapshot, scan portScan, keeps func(*netstate.Socket) truth) Prediction {
	var taken [1 << 16]truth
	var found search
	for i := range s.Sockets {
		e := &s.Sockets[i]
		if port := e.Local.Port(); scan.candidate[port] && n.competes(e) {
			conflict := keeps(e)
			taken[port] = taken[port].or(conflict)
			found.add(i, conflict)
		}
	}
	count := map[truth]int{}
	for _, port := range scan.ports {
		count[taken[port]]++
	}
	switch {
	case count[no] > scan.leftOut:
		return n.success(s, 0)
	case count[no] > 0:
		return Prediction{Bind: ResultUnknown, Missing: "whether the kernel happens to look at the one port that is left"}
	case count[unsure] > 0:
		return Prediction{Bind: ResultUnknown, Undecided: found.undecided, Missing: n.missing(s, found.undecided)}
	case len(scan.ports) == 1:
		return Prediction{Bind: "EADDRINUSE", Culprits: found.conflicts, Undecided: found.undecided}
	}
	return Prediction{Bind: "EADDRINUSE"}
}
