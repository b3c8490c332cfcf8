package netstate

import "errors"

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
