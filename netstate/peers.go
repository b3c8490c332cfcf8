package netstate

import "net/netip"

// waitsForPeer tells whether a closed socket in this state waits for what the
// other end sends.
func waitsForPeer(state State) bool {
	switch state {
	case StateFinWait1, StateFinWait2, StateLastAck, StateClosing:
		return true
	}
	return false
}

// sameEndpoint compares addresses apart from the form they are written in.
func sameEndpoint(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Addr().Unmap().WithZone("") == b.Addr().Unmap().WithZone("")
}
