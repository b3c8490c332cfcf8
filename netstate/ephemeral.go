package netstate

import (
	"fmt"
	"strconv"
	"strings"
)

// parsePortRange reads net.ipv4.ip_local_port_range: two ports and a newline.
func parsePortRange(text string) (PortRange, error) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return PortRange{}, fmt.Errorf("%q is not a range of ports", text)
	}
	return portRangeOf(fields[0], fields[1])
}

// parsePortList reads net.ipv4.ip_local_reserved_ports: ports and ranges like
// "8080,9000-9010", or nothing.
func parsePortList(text string) ([]PortRange, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	var ranges []PortRange
	for _, item := range strings.Split(text, ",") {
		first, last, found := strings.Cut(item, "-")
		if !found {
			last = first
		}
		r, err := portRangeOf(first, last)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

func portRangeOf(first, last string) (PortRange, error) {
	a, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return PortRange{}, err
	}
	b, err := strconv.ParseUint(last, 10, 16)
	if err != nil {
		return PortRange{}, err
	}
	if a > b {
		return PortRange{}, fmt.Errorf("ports %d to %d are in the wrong order", a, b)
	}
	return PortRange{First: uint16(a), Last: uint16(b)}, nil
}

// ephemeralCounter counts how many ports of a range are taken.
type ephemeralCounter struct {
	ports    PortRange
	reserved portSet
	taken    [1 << 16]bool
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
