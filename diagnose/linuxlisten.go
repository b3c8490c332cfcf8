package diagnose

import "portdoc/netstate"

// PredictListen says what listen(2) answers to a TCP socket of the snapshot
// that is bound. It is in Prediction.Listen; Bind is empty.
//
// Linux looks for a conflict a second time: of two sockets that share an
// address by SO_REUSEADDR only the first may listen. Other systems let both.
func PredictListen(s *netstate.Snapshot, socket int) Prediction {
	e := &s.Sockets[socket]
	switch {
	case s.Host.OS != "linux":
		return Prediction{Listen: ResultUnknown, Missing: "what listen(2) checks on " + s.Host.OS}
	case e.State == netstate.StateBound && e.Remote.IsValid():
		// It was connected once, and inet_listen in net/ipv4/af_inet.c
		// takes only sockets that never were.
		return Prediction{Listen: "EINVAL"}
	case e.Network != netstate.TCP || e.State != netstate.StateBound && e.State != netstate.StateListen:
		return Prediction{Listen: "EINVAL"}
	case e.State == netstate.StateListen:
		return Prediction{Listen: ResultOK}
	}
	return linuxListen(s, socket)
}

func linuxListen(s *netstate.Snapshot, socket int) Prediction {
	e := &s.Sockets[socket]
	facts := []*bool{e.Options.ReuseAddr, e.Options.ReusePort}
	if e.Family == netstate.IPv6 {
		facts = append(facts, e.Options.V6Only)
	}
	for _, fact := range facts {
		if fact == nil {
			return Prediction{Listen: ResultUnknown, Missing: "the options of " + describe(e)}
		}
	}
	n := linuxSocket{
		network:   e.Network,
		address:   e.Local.Addr().WithZone(""),
		v6only:    e.Family == netstate.IPv6 && *e.Options.V6Only,
		device:    e.Device,
		reuseAddr: *e.Options.ReuseAddr,
		reusePort: *e.Options.ReusePort,
		uid:       e.UID,
		self:      socket,
	}
	p := n.prediction(s, e.Local.Port())
	p.Bind, p.Listen, p.Shares = "", p.Bind, nil
	return p
}
