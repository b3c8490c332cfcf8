package main

import (
	"context"
	"net/netip"
	"runtime"
	"slices"
	"sync"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// maxReadings is how often the machine is read when the sockets change while
// binds are tried.
const maxReadings = 3

// asker makes the questions to ask of a snapshot.
type asker func(*netstate.Snapshot) []diagnose.Question

// observe reads this machine, tries the binds that the questions are about,
// and answers them. Reading and trying can't be done at one moment, so it
// begins again when they contradict each other; the last reading stands.
func observe(ctx context.Context, query netstate.Query, ask asker, probe bool) (*netstate.Snapshot, []*diagnose.Report, error) {
	for reading := 1; ; reading++ {
		s, err := netstate.Read(ctx, query)
		if err != nil {
			return nil, nil, &failure{exitUnknown, err}
		}
		if probe {
			s.Observed = try(s, requests(s, ask))
		}
		reports := answer(s, ask)
		if reading == maxReadings || !slices.ContainsFunc(reports, contradictory) {
			return s, reports, nil
		}
	}
}

// try makes the binds. Of very many on Linux it leaves out those of 0.0.0.0
// that are part of a dual-stack bind of [::] which succeeded, where these two
// are all that is asked of the port.
func try(s *netstate.Snapshot, all []netstate.BindRequest) []netstate.BindOutcome {
	if len(all) < many || s.Host.OS != "linux" {
		return netstate.Probe(all)
	}
	first, parts := all[:0:0], make(map[netstate.BindRequest]netstate.BindRequest)
	for i, r := range all {
		if i+1 < len(all) && includesAlone(all, i) {
			parts[all[i+1]] = r
			continue
		}
		first = append(first, r)
	}
	outcomes := netstate.Probe(first)
	var second []netstate.BindRequest
	for _, outcome := range outcomes {
		if part, deferred := parts[outcome.Request]; deferred && outcome.Result != diagnose.ResultOK {
			second = append(second, part)
		}
	}
	return append(outcomes, netstate.Probe(second)...)
}

// includesAlone tells whether request i is one of 0.0.0.0, the next one that of
// a dual-stack [::] for the same port, and neither has a neighbour there.
func includesAlone(all []netstate.BindRequest, i int) bool {
	part, whole := all[i], all[i+1]
	if part.Address != netip.IPv4Unspecified() || whole.V6Only {
		return false
	}
	part.Address = netip.IPv6Unspecified()
	return part == whole &&
		(i == 0 || all[i-1].Port != part.Port) && (i+2 == len(all) || all[i+2].Port != part.Port)
}

// requests are the binds to try for all questions, each once.
func requests(s *netstate.Snapshot, ask asker) []netstate.BindRequest {
	asked, parts := ask(s), splitByPort(s)
	wanted := make([][]netstate.BindRequest, len(asked))
	spread(len(asked), func(i int) { wanted[i] = diagnose.Requests(parts.about(asked[i]), asked[i]) })
	var all []netstate.BindRequest
	known := make(map[netstate.BindRequest]bool)
	for _, request := range slices.Concat(wanted...) {
		if !known[request] {
			known[request] = true
			all = append(all, request)
		}
	}
	return all
}

// answer answers the questions from a snapshot alone.
func answer(s *netstate.Snapshot, ask asker) []*diagnose.Report {
	asked, parts := ask(s), splitByPort(s)
	reports := make([]*diagnose.Report, len(asked))
	spread(len(asked), func(i int) { reports[i] = diagnose.Why(parts.about(asked[i]), asked[i]) })
	return reports
}

// many is the number of questions or binds, of some ten microseconds each,
// from which more effort pays than for a few.
const many = 128

// spread calls each for the numbers below n, many of them on all processors.
func spread(n int, each func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), 1+n/many)
	share := func(worker int) {
		for i := worker; i < n; i += workers {
			each(i)
		}
	}
	var wait sync.WaitGroup
	for worker := range workers - 1 {
		wait.Go(func() { share(1 + worker) })
	}
	share(0)
	wait.Wait()
}

// contradictory tells whether a bind that was tried went another way than the
// sockets that were read let expect.
func contradictory(report *diagnose.Report) bool {
	return slices.ContainsFunc(report.Attempts, surprising)
}

// surprising tells whether the attempt was predicted one way and went another.
func surprising(a diagnose.Attempt) bool {
	return a.Observed != nil && a.Predicted != diagnose.ResultUnknown && *a.Observed != a.Predicted
}
