package main

import (
	"context"
	"net/netip"
	"slices"

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
		if !probe {
			return s, answer(s, ask(s), why), nil
		}
		reports := tryAndAnswer(s, ask(s), why)
		if reading == maxReadings || !slices.ContainsFunc(reports, contradictory) {
			return s, reports, nil
		}
	}
}

// answer answers the questions from a snapshot alone.
func answer(s *netstate.Snapshot, asked []diagnose.Question, why answerer) []*diagnose.Report {
	reports := make([]*diagnose.Report, len(asked))
	newPanel(s, asked).each(func(w *worker) { w.answer(reports, why) })
	return reports
}

// tryAndAnswer makes the binds that the questions need, puts their outcomes
// into the snapshot, and answers.
func tryAndAnswer(s *netstate.Snapshot, asked []diagnose.Question, why answerer) []*diagnose.Report {
	reports := make([]*diagnose.Report, len(asked))
	workers := newPanel(s, asked).each(func(w *worker) {
		w.part.Observed = w.try()
		w.answer(reports, why)
	})
	var observed [][]netstate.BindOutcome
	for _, w := range workers {
		observed = append(observed, w.observed)
	}
	s.Observed = slices.Concat(observed...)
	return reports
}

// answer answers the questions of the group.
func (w *worker) answer(reports []*diagnose.Report, why answerer) {
	for _, i := range w.group {
		reports[i] = why(&w.part, w.panel.asked[i])
	}
}

// try makes the binds that the questions of the group need. Of very many on
// Linux it leaves out that of 0.0.0.0 where it is part of a dual-stack one of
// [::] which succeeds, and these two are all that is wanted.
func (w *worker) try() []netstate.BindOutcome {
	w.asked = w.asked[:0]
	for _, i := range w.group {
		w.asked = append(w.asked, w.panel.asked[i])
	}
	requests := diagnose.Requests(&w.part, w.asked...)
	first := len(w.observed)
	if len(w.panel.asked) >= many && includesFirst(&w.part, requests) {
		w.observed = w.prober.Append(w.observed, requests[1:])
		if len(w.observed) > first && w.observed[first].Result == diagnose.ResultOK {
			return w.observed[first:]
		}
		requests = requests[:1]
	}
	w.observed = w.prober.Append(w.observed, requests)
	return w.observed[first:]
}

// includesFirst tells whether the requests are one of 0.0.0.0, and one of a
// dual-stack [::] that is no different otherwise.
func includesFirst(s *netstate.Snapshot, requests []netstate.BindRequest) bool {
	if s.Host.OS != "linux" || len(requests) != 2 || requests[1].V6Only || requests[0].Address != netip.IPv4Unspecified() {
		return false
	}
	part := requests[0]
	part.Address = netip.IPv6Unspecified()
	return part == requests[1]
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
