package netstate

import (
	"net"
	"strconv"
)

// Probe makes each bind for real, undoes it at once, and says what the system
// answered. It never listens, and has never more than one socket open. While
// a bind that succeeded lasts, a few microseconds, the address is taken for
// everybody else. A request without an outcome was not tried: it would have
// told nothing more, might have disturbed a running program, or can't be made
// on this system.
func Probe(requests []BindRequest) []BindOutcome {
	var outcomes []BindOutcome
	free := make(map[BindRequest]bool)
	for _, r := range requests {
		if free[plain(r)] || disturbs(r) {
			continue
		}
		result, tried := bindAndClose(r)
		if !tried {
			continue
		}
		outcomes = append(outcomes, BindOutcome{Request: r, Result: result})
		free[r] = result == "ok"
	}
	return outcomes
}

// plain is a request without the options that permit more than it does: where
// it succeeded, they add nothing.
func plain(r BindRequest) BindRequest {
	r.ReuseAddr, r.ReusePort = false, false
	return r
}

// disturbs tells whether the new socket could take traffic from one that has
// the address. With these options a UDP socket receives datagrams as soon as
// it is bound. A TCP socket receives nothing before it listens.
func disturbs(r BindRequest) bool {
	return r.Network == UDP && (r.ReuseAddr || r.ReusePort)
}

// zoneIndex is the number of the interface that a zone names; a zone may be
// that number already (RFC 4007, section 11.2).
func zoneIndex(zone string) (uint32, bool) {
	if zone == "" {
		return 0, true
	}
	if number, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(number), true
	}
	named, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, false
	}
	return uint32(named.Index), true
}
