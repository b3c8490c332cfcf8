package netstate

import (
	"net"
	"runtime"
	"slices"
	"strconv"
	"sync"
)

// Probe makes each bind for real, undoes it at once, and says what the system
// answered. It never listens, and has never more than one socket open for a
// port. While a bind that succeeded lasts, a few microseconds, the address is
// taken for everybody else. A request without an outcome was not tried: it
// would have told nothing more, might have disturbed a running program, or
// can't be made on this system.
//
// Many binds are made by several threads. A caller whose thread has another
// network namespace or other capabilities than its process asks for fewer than
// [manyBinds] at a time.
func Probe(requests []BindRequest) []BindOutcome {
	results := make([]string, len(requests))
	dealt := shares(requests, runtime.GOMAXPROCS(0))
	var wait sync.WaitGroup
	for _, share := range dealt[1:] {
		wait.Go(func() { probeInTurn(requests, share, results) })
	}
	probeInTurn(requests, dealt[0], results)
	wait.Wait()
	var outcomes []BindOutcome
	for i, result := range results {
		if result == "" {
			continue
		}
		if outcomes == nil {
			outcomes = make([]BindOutcome, 0, len(results)-i)
		}
		outcomes = append(outcomes, BindOutcome{Request: requests[i], Result: result})
	}
	return outcomes
}

// manyBinds is the number of binds, of some ten microseconds each, from which
// another processor is worth its start.
const manyBinds = 128

// shares deals the requests out to processors, by their indices. Those of one
// port stay together and in order, since they would be in each other's way.
func shares(requests []BindRequest, processors int) [][]int {
	shares := make([][]int, max(1, min(processors, 1+len(requests)/manyBinds)))
	for i, r := range requests {
		n := int(r.Port) % len(shares)
		shares[n] = append(shares[n], i)
	}
	return shares
}

// probeInTurn makes some of the binds, one after the other. Results that it
// leaves alone are those of binds that were not tried.
func probeInTurn(requests []BindRequest, indices []int, results []string) {
	var free []BindRequest // that succeeded, of the port at hand
	for _, i := range indices {
		r := requests[i]
		if len(free) > 0 && (free[0].Port != r.Port || free[0].Network != r.Network) {
			free = free[:0]
		}
		if slices.Contains(free, plain(r)) || disturbs(r) {
			continue
		}
		result, tried := bindAndClose(r)
		if !tried {
			continue
		}
		results[i] = result
		if result == "ok" {
			free = append(free, r)
		}
	}
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
