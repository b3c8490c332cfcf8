package diagnose

import "portdoc/netstate"

// choosePort predicts a bind of port 0, for which the kernel looks through the
// ephemeral range: inet_csk_find_open_port in net/ipv4/inet_connection_sock.c,
// udp_lib_get_port in net/ipv4/udp.c.
func (n *linuxSocket) choosePort(s *netstate.Snapshot) Prediction {
	scan := portScan{
		network:   n.network,
		keeps:     n.conflict,
		exhausted: "EADDRINUSE",
		uid:       n.uid,
	}
	if n.network == netstate.UDP {
		return n.listened(scan.run(s))
	}
	scan.leftOut = linuxLeftOut(s)
	scan.keeps = n.meets
	first := scan.run(s)
	if first.Bind == ResultOK || !n.reuseAddr || s.Policy.EphemeralPorts == nil {
		return n.listened(first)
	}
	return n.listened(n.chooseAgain(s, scan, first))
}

// listened adds what listen(2) answers.
func (n *linuxSocket) listened(p Prediction) Prediction {
	if p.Bind == ResultOK && n.network == netstate.TCP {
		p.Listen = ResultOK
	}
	return p
}

// chooseAgain: with net.ipv4.ip_autobind_reuse (since 5.7) TCP looks through
// the range a second time, and shares where SO_REUSEADDR allows it.
func (n *linuxSocket) chooseAgain(s *netstate.Snapshot, scan portScan, first Prediction) Prediction {
	scan.keeps = n.autobindConflict
	second := scan.run(s)
	switch allowed := known(s.Policy.AutobindReuse); {
	case allowed == yes:
		return second
	case allowed == no:
		return first
	case first.Bind == second.Bind && first.Bind != ResultUnknown:
		return Prediction{Bind: first.Bind} // For different sockets, perhaps.
	}
	return Prediction{Bind: ResultUnknown, Missing: "the sysctl net.ipv4.ip_autobind_reuse"}
}

// autobindConflict is conflict for the second look: SO_REUSEADDR must permit
// the sharing, and does not where SO_REUSEPORT would too.
func (n *linuxSocket) autobindConflict(e *netstate.Socket) truth {
	byAddress, byPort := n.sharesByAddress(e), n.sharesByPort(e)
	return n.meets(e).and(byAddress.and(byPort.not()).not())
}

// linuxLeftOut is how many ports TCP may miss by chance: one, where it looks
// through a range of an odd number of ports.
func linuxLeftOut(s *netstate.Snapshot) int {
	if s.Policy.EphemeralPorts == nil {
		return 0
	}
	size := int(s.Policy.EphemeralPorts.Last) - int(s.Policy.EphemeralPorts.First) + 1
	if size > 1 && size%2 == 1 {
		return 1
	}
	return 0
}
