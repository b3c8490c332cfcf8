package netstate

// ephemeralCounter counts how many ports of a range are taken.
type ephemeralCounter struct {
	ports    PortRange
	reserved portSet
	taken    [1 << 16]bool
}

// newEphemeralCounter returns nil where the range is not known, which is a
// limit of the policy.
func newEphemeralCounter(policy *Policy) *ephemeralCounter {
	if policy.EphemeralPorts == nil {
		return nil
	}
	return &ephemeralCounter{ports: *policy.EphemeralPorts, reserved: newPortSet(policy.ReservedPorts)}
}

// add counts a socket's port. A request for a connection, which has no socket
// yet, does not keep anyone from binding.
func (c *ephemeralCounter) add(s Socket) {
	if s.State == StateSynRecv && s.Inode == 0 {
		return
	}
	c.taken[s.Local.Port()] = true
}

// use is what was counted, without the reserved ports.
func (c *ephemeralCounter) use(network Network) *EphemeralUse {
	use := &EphemeralUse{Network: network}
	for port := int(c.ports.First); port <= int(c.ports.Last); port++ {
		if c.reserved.contains(uint16(port)) {
			continue
		}
		use.Available++
		if c.taken[port] {
			use.Used++
		}
	}
	return use
}
