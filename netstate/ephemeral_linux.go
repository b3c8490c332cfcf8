package netstate

import "errors"

// newEphemeralCounter returns nil where the range is not known, which is a
// limit of the policy.
func newEphemeralCounter(policy *Policy) *ephemeralCounter {
	if policy.EphemeralPorts == nil {
		return nil
	}
	return &ephemeralCounter{ports: *policy.EphemeralPorts, reserved: newPortSet(policy.ReservedPorts)}
}

// ephemeralUse counts the ports of the ephemeral range that are taken, nil if
// the query does not ask.
func (d *inetDiag) ephemeralUse(query portQuery, policy *Policy, limits *[]Limit) (*EphemeralUse, error) {
	if !query.ephemeral {
		return nil, nil
	}
	counter := newEphemeralCounter(policy)
	if counter == nil {
		return nil, nil
	}
	var err error
	for range maxDumps {
		clear(counter.taken[:])
		err = d.dumpAll(query.network, portSet{counter.ports}, 0, func(row inetDiagRow) { counter.add(row.Socket) })
		if !errors.Is(err, errInterrupted) {
			break
		}
	}
	if errors.Is(err, errInterrupted) {
		*limits = append(*limits, unstableLimit(query.network))
	} else if err != nil {
		return nil, err
	}
	return counter.use(query.network), nil
}
