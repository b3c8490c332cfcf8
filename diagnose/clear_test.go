package diagnose_test

import (
	"testing"

	"portdoc/diagnose"
	"portdoc/netstate"
	"portdoc/netstate/snapshottest"
)

// TestClear: only a port that nobody has, and that was bound, is clear.
func TestClear(t *testing.T) {
	question := diagnose.Question{Network: netstate.TCP, Port: 5188}
	asked := func() *snapshottest.Snapshot {
		s := snapshottest.NewSnapshot()
		s.Query.Endpoints = []netstate.Endpoint{{Network: netstate.TCP, Port: 5188}}
		return s
	}
	tried := func(s *snapshottest.Snapshot, result string) *netstate.Snapshot {
		return s.Answer(result, diagnose.Requests(s.Snapshot, question)...).Snapshot
	}
	for name, c := range map[string]struct {
		snapshot *netstate.Snapshot
		want     bool
	}{
		"bound":           {tried(asked(), "ok"), true},
		"refused":         {tried(asked(), "EADDRINUSE"), false},
		"not tried":       {asked().Snapshot, false},
		"with a neighbor": {tried(asked().TCP(netstate.StateListen, "127.0.0.2:5188", ""), "ok"), false},
	} {
		if got := diagnose.Clear(c.snapshot, question); got != c.want {
			t.Errorf("%s: clear is %t", name, got)
		}
		if report := diagnose.Why(c.snapshot, question); c.want && (report.Verdict != diagnose.Free || len(report.Causes) > 0) {
			t.Errorf("%s: the report says %s, %v", name, report.Verdict, report.Causes)
		}
	}
}
