package netstate

import (
	"net"
	"slices"
	"strconv"
)

// A Prober makes binds for real, and undoes each at once. It never listens, and
// has never more than one socket open. While a bind that succeeded lasts, a few
// microseconds, the address is taken for everybody else.
//
// The zero Prober is ready. It belongs to one goroutine and one network
// namespace, and for as long as the settings of the system do not change.
type Prober struct {
	systemProber
	// free are the binds of the port at hand that succeeded.
	free []BindRequest
}

// Probe makes each bind with a Prober of its own and returns the outcomes; see
// [Prober.Append].
func Probe(requests []BindRequest) []BindOutcome {
	return new(Prober).Append(nil, requests)
}

// Append makes each bind, one after the other, and appends what the system
// answered. A request without an outcome was not tried: it would have told
// nothing more, might have disturbed a running program, or can't be made on
// this system.
func (p *Prober) Append(outcomes []BindOutcome, requests []BindRequest) []BindOutcome {
	p.free = p.free[:0]
	for _, r := range requests {
		if len(p.free) > 0 && (p.free[0].Port != r.Port || p.free[0].Network != r.Network) {
			p.free = p.free[:0]
		}
		if slices.Contains(p.free, plain(r)) || disturbs(r) {
			continue
		}
		result, tried := p.bindAndClose(r)
		if !tried {
			continue
		}
		outcomes = append(outcomes, BindOutcome{Request: r, Result: result})
		if result == "ok" {
			p.free = append(p.free, r)
		}
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
