package netstate

import (
	"errors"
	"os"
)

// ephemeralPorts reads the range that port 0 and connect(2) draw from, and
// the ports that are left out of it (ip-sysctl.rst in the kernel's
// documentation). Both are those of this process's network namespace.
func ephemeralPorts() (ports PortRange, reserved []PortRange, err error) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return PortRange{}, nil, err
	}
	if ports, err = parsePortRange(string(text)); err != nil {
		return PortRange{}, nil, err
	}
	if text, err = os.ReadFile("/proc/sys/net/ipv4/ip_local_reserved_ports"); err != nil {
		return PortRange{}, nil, err
	}
	reserved, err = parsePortList(string(text))
	return ports, reserved, err
}

// newEphemeralCounter returns nil, and a limit, where the range is not known.
func newEphemeralCounter(limits *[]Limit) *ephemeralCounter {
	ports, reserved, err := ephemeralPorts()
	if err != nil {
		*limits = append(*limits, Limit{
			Kind: LimitPolicy,
			What: "the use of the ephemeral ports",
			Why:  "their range could not be read: " + err.Error(),
		})
		return nil
	}
	return &ephemeralCounter{ports: ports, reserved: newPortSet(reserved)}
}

// ephemeralUse counts the ports of the ephemeral range that are taken, nil if
// the query does not ask.
func (d *inetDiag) ephemeralUse(query portQuery, limits *[]Limit) (*EphemeralUse, error) {
	if !query.ephemeral {
		return nil, nil
	}
	counter := newEphemeralCounter(limits)
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
