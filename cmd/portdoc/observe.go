package main

import (
	"context"
	"slices"

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
			s.Observed = netstate.Probe(requests(s, ask))
		}
		reports := answer(s, ask)
		if reading == maxReadings || !slices.ContainsFunc(reports, contradictory) {
			return s, reports, nil
		}
	}
}

// requests are the binds to try for all questions, each once.
func requests(s *netstate.Snapshot, ask asker) []netstate.BindRequest {
	var all []netstate.BindRequest
	parts, known := splitByPort(s), make(map[netstate.BindRequest]bool)
	for _, q := range ask(s) {
		for _, request := range diagnose.Requests(parts.about(q), q) {
			if !known[request] {
				known[request] = true
				all = append(all, request)
			}
		}
	}
	return all
}

// answer answers the questions from a snapshot alone.
func answer(s *netstate.Snapshot, ask asker) []*diagnose.Report {
	var reports []*diagnose.Report
	parts := splitByPort(s)
	for _, q := range ask(s) {
		reports = append(reports, diagnose.Why(parts.about(q), q))
	}
	return reports
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
