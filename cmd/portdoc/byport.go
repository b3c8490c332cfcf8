package main

import (
	"portdoc/diagnose"
	"portdoc/netstate"
)

// portKey is one port of one network.
type portKey struct {
	network netstate.Network
	port    uint16
}

// byPort has a snapshot in parts, so that a thousand questions about a port
// each do not look a thousand times at the sockets of all of them.
type byPort struct {
	whole *netstate.Snapshot
	parts map[portKey]*netstate.Snapshot
	// bare is the part of a port that nobody has and nobody tried.
	bare *netstate.Snapshot
}

// splitByPort gives each port its sockets and the outcomes of binds to it. All
// else is shared.
func splitByPort(s *netstate.Snapshot) byPort {
	bare := *s
	bare.Sockets, bare.Observed = nil, nil
	b := byPort{s, make(map[portKey]*netstate.Snapshot), &bare}
	for _, socket := range s.Sockets {
		part := b.part(portKey{socket.Network, socket.Local.Port()})
		part.Sockets = append(part.Sockets, socket)
	}
	for _, outcome := range s.Observed {
		part := b.part(portKey{outcome.Request.Network, outcome.Request.Port})
		part.Observed = append(part.Observed, outcome)
	}
	return b
}

func (b byPort) part(key portKey) *netstate.Snapshot {
	part := b.parts[key]
	if part == nil {
		copied := *b.bare
		part = &copied
		b.parts[key] = part
	}
	return part
}

// about is the part of the snapshot that answers a question: all of it for one
// that is not about one port.
func (b byPort) about(q diagnose.Question) *netstate.Snapshot {
	if q.Network == netstate.Unix || q.Port == 0 {
		return b.whole
	}
	if part := b.parts[portKey{q.Network, q.Port}]; part != nil {
		return part
	}
	return b.bare
}
