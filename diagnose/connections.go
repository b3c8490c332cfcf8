package diagnose

import (
	"portdoc/netstate"
)

// selfConnected tells whether both ends of the connection are this socket.
func (r row) selfConnected() bool {
	return r.Network == netstate.TCP && r.Remote.IsValid() && r.Local == r.Remote
}

// isOutgoing tells whether the socket is the near end of something that this
// machine started, and how sure that is. Where the system does not say how a
// socket got its port, the ephemeral range is the evidence.
func (c *inquiry) isOutgoing(r row) (bool, Certainty) {
	switch {
	case !r.Remote.IsValid() || r.State == netstate.StateListen || r.State == netstate.StateUnconnected:
		return false, Certain
	case r.Origin == netstate.OriginAccept:
		return false, Certain
	case r.Origin != "" && r.Network == netstate.TCP, r.State == netstate.StateSynSent:
		return true, Certain
	}
	ephemeral := c.snapshot.Policy.EphemeralPorts
	return ephemeral != nil && ephemeral.Contains(r.Local.Port()) && !ephemeral.Contains(r.Remote.Port()), Likely
}
