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

// observation is what is asked of this machine.
type observation struct {
	query netstate.Query
	ask   asker
	why   answerer
	// probe tries the binds that the questions are about. Keep puts their
	// outcomes into the snapshot, for a later answer.
	probe, keep bool
}

// observe reads this machine, tries binds, and answers the questions. Reading
// and trying can't be done at one moment, so it begins again when they
// contradict each other; the last reading stands.
func (o *observation) observe(ctx context.Context) (*netstate.Snapshot, []*diagnose.Report, error) {
	for reading := 1; ; reading++ {
		s, err := netstate.Read(ctx, o.query)
		if err != nil {
			return nil, nil, &failure{exitUnknown, err}
		}
		if !o.probe {
			return s, answer(s, o.ask(s), o.why), nil
		}
		reports := o.tryAndAnswer(s)
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

// tryAndAnswer makes the binds that the questions need, and answers.
func (o *observation) tryAndAnswer(s *netstate.Snapshot) []*diagnose.Report {
	asked := o.ask(s)
	reports := make([]*diagnose.Report, len(asked))
	workers := newPanel(s, asked).each(func(w *worker) {
		w.try()
		w.answer(reports, o.why)
		if o.keep {
			w.kept = append(w.kept, w.part.Observed...)
		}
	})
	for _, w := range workers {
		s.Observed = append(s.Observed, w.kept...)
	}
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
func (w *worker) try() {
	w.requests = w.requests[:0]
	for _, i := range w.group {
		w.requests = diagnose.AppendRequests(w.requests, &w.part, w.panel.asked[i])
	}
	requests, observed := w.requests, w.observed[:0]
	if len(w.panel.asked) >= many && includesFirst(&w.part, requests) {
		observed = w.prober.Append(observed, requests[1:])
		if len(observed) > 0 && observed[0].Result == diagnose.ResultOK {
			requests = nil
		} else {
			requests = requests[:1]
		}
	}
	w.observed = w.prober.Append(observed, requests)
	w.part.Observed = w.observed
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
