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

// answerer answers one question, as [diagnose.Why] does.
type answerer func(*netstate.Snapshot, diagnose.Question) *diagnose.Report

// observe reads this machine, tries the binds that the questions are about,
// and answers them. Reading and trying can't be done at one moment, so it
// begins again when they contradict each other; the last reading stands.
func observe(ctx context.Context, query netstate.Query, ask asker, why answerer, probe bool) (*netstate.Snapshot, []*diagnose.Report, error) {
	for reading := 1; ; reading++ {
		s, err := netstate.Read(ctx, query)
		if err != nil {
			return nil, nil, &failure{exitUnknown, err}
		}
		asked := ask(s)
		if probe {
			s.Observed = try(s, requests(s, asked))
		}
		reports := answer(s, asked, why)
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
	deferred := make(map[portKey]bool, len(all)/2)
	for i, r := range all {
		if i+1 < len(all) && includesAlone(all, i) {
			deferred[keyOf(r)] = true
		}
	}
	first := make([]netstate.BindRequest, 0, len(all)-len(deferred))
	for _, r := range all {
		if !deferred[keyOf(r)] || r.Address != netip.IPv4Unspecified() {
			first = append(first, r)
		}
	}
	outcomes := netstate.Probe(first)
	var second []netstate.BindRequest
	for _, outcome := range outcomes {
		if r := outcome.Request; deferred[keyOf(r)] && outcome.Result != diagnose.ResultOK {
			r.Address = netip.IPv4Unspecified()
			second = append(second, r)
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

// requests are the binds to try for all questions. Questions about one port
// that stand together share theirs.
func requests(s *netstate.Snapshot, asked []diagnose.Question) []netstate.BindRequest {
	wanted := make([][]netstate.BindRequest, len(asked))
	each(s, asked, func(i int, part *netstate.Snapshot) { wanted[i] = diagnose.Requests(part, asked[i]) })
	all := make([]netstate.BindRequest, 0, 2*len(asked))
	run := 0 // where the requests of a port begin
	for _, of := range wanted {
		for _, request := range of {
			if len(all) > 0 && keyOf(all[len(all)-1]) != keyOf(request) {
				run = len(all)
			}
			if !slices.Contains(all[run:], request) {
				all = append(all, request)
			}
		}
	}
	return all
}

// answer answers the questions from a snapshot alone.
func answer(s *netstate.Snapshot, asked []diagnose.Question, why answerer) []*diagnose.Report {
	reports := make([]*diagnose.Report, len(asked))
	each(s, asked, func(i int, part *netstate.Snapshot) { reports[i] = why(part, asked[i]) })
	return reports
}

// many is the number of questions or binds, of some ten microseconds each,
// from which more effort pays than for a few.
const many = 128

// each calls do with each question's number and the part of the snapshot that
// it is about, which is valid until do returns. Many are done on all
// processors.
func each(s *netstate.Snapshot, asked []diagnose.Question, do func(i int, part *netstate.Snapshot)) {
	ports := splitByPort(s)
	workers := min(runtime.GOMAXPROCS(0), 1+len(asked)/many)
	work := func(worker int) {
		room := new(netstate.Snapshot)
		for i := worker; i < len(asked); i += workers {
			do(i, ports.about(asked[i], room))
		}
	}
	var wait sync.WaitGroup
	for worker := range workers - 1 {
		wait.Go(func() { work(1 + worker) })
	}
	work(0)
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
