package diagnose_test

import (
	"net/netip"
	"slices"
	"testing"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// TestHost: a host name is one question about all its addresses. It can't be
// bound if one of them can't, and that one is named.
func TestHost(t *testing.T) {
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	question := diagnose.Question{
		Network: netstate.TCP, Port: 5188, Host: "localhost", Address: v4, Addresses: []netip.Addr{v4, v6}, Typed: "localhost:5188",
	}
	s := &netstate.Snapshot{Host: netstate.Host{OS: "linux"}}
	for _, request := range diagnose.Requests(s, question) {
		result := "ok"
		if request.Address == v6 {
			result = "EADDRNOTAVAIL"
		}
		s.Observed = append(s.Observed, netstate.BindOutcome{Request: request, Result: result})
	}
	report := diagnose.Why(s, question)
	if len(report.Causes) == 0 || report.Causes[0].ID != "address-not-local" || report.Causes[0].Title != "::1 is not an address of this machine" {
		t.Errorf("the causes are %+v", report.Causes)
	}
	if want := "localhost:5188/tcp can't be bound: ::1 is not an address of this machine"; report.Summary != want {
		t.Errorf("the summary is %q, want %q", report.Summary, want)
	}
	if report.Target.Address != "localhost" || report.Verdict != diagnose.Blocked {
		t.Errorf("the target is %+v, the verdict %q", report.Target, report.Verdict)
	}
	tried := func(a diagnose.Attempt) bool { return a.Address == "::1" && a.Result() == "EADDRNOTAVAIL" }
	if !slices.ContainsFunc(report.Attempts, tried) {
		t.Errorf("the attempts are %+v", report.Attempts)
	}
}
