package diagnose_test

import (
	"net/netip"
	"testing"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// A system without rules here is judged by the binds that were tried, and by
// nothing else: an empty list of sockets there is no free port.
func TestSystemWithoutRules(t *testing.T) {
	question := diagnose.Question{Network: netstate.TCP, Port: 8080}
	tests := map[string]struct {
		outcome func(netstate.BindRequest) string
		want    diagnose.Verdict
	}{
		"not tried": {func(netstate.BindRequest) string { return "" }, diagnose.Unknown},
		"free":      {func(netstate.BindRequest) string { return "ok" }, diagnose.Free},
		"taken":     {func(netstate.BindRequest) string { return "EADDRINUSE" }, diagnose.Blocked},
		"taken without SO_REUSEADDR": {func(r netstate.BindRequest) string {
			if r.ReuseAddr {
				return "ok"
			}
			return "EADDRINUSE"
		}, diagnose.Conditional},
		"one family not tried": {func(r netstate.BindRequest) string {
			if r.Address == netip.IPv6Unspecified() {
				return ""
			}
			return "ok"
		}, diagnose.Unknown},
	}
	for _, system := range []string{"openbsd", "netbsd", "dragonfly", "solaris"} {
		for name, test := range tests {
			s := machine(system)
			s.Limits = []netstate.Limit{{Kind: netstate.LimitUnsupported, What: "the tcp sockets", Why: "listing them failed"}}
			for _, request := range diagnose.Requests(s, question) {
				if result := test.outcome(request); result != "" {
					s.Observed = append(s.Observed, netstate.BindOutcome{Request: request, Result: result})
				}
				if got := diagnose.Predict(s, request).Bind; got != diagnose.ResultUnknown {
					t.Errorf("%s: predicted %s for %+v", system, got, request)
				}
			}
			if got := diagnose.Why(s, question).Verdict; got != test.want {
				t.Errorf("%s, %s: %s, want %s", system, name, got, test.want)
			}
		}
	}
}

// What the FreeBSD reader may not see is never taken for free by the rules.
func TestFreeBSDWithHiddenSockets(t *testing.T) {
	question := diagnose.Question{Network: netstate.TCP, Port: 8080}
	s := machine("freebsd")
	if got := diagnose.Why(s, question).Verdict; got != diagnose.Free {
		t.Errorf("where everything is seen: %s", got)
	}
	s.Limits = []netstate.Limit{{Kind: netstate.LimitUnsupported, What: "the sockets of other users", Why: "only root may see them"}}
	if got := diagnose.Why(s, question).Verdict; got != diagnose.Unknown {
		t.Errorf("where users are hidden: %s", got)
	}
	s.Limits = []netstate.Limit{{Kind: netstate.LimitSource, What: "the options, users and queues of tcp sockets", Why: "sockstat lacks them"}}
	if got := diagnose.Why(s, question).Verdict; got != diagnose.Unknown {
		t.Errorf("with the poorer source: %s", got)
	}
}

// What is missing of one network says nothing of another.
func TestLimitOfANetwork(t *testing.T) {
	question := diagnose.Question{Network: netstate.TCP, Port: 8080}
	for network, want := range map[netstate.Network]diagnose.Verdict{
		netstate.TCP: diagnose.Unknown, netstate.UDP: diagnose.Free, netstate.Unix: diagnose.Free, "": diagnose.Unknown,
	} {
		s := machine("freebsd")
		s.Limits = []netstate.Limit{{Kind: netstate.LimitSource, Network: network, What: "some sockets", Why: "nobody knows"}}
		report := diagnose.Why(s, question)
		if shown := len(report.Limits) > 0; report.Verdict != want || shown != (want == diagnose.Unknown) {
			t.Errorf("a limit of %q: %s, with the limits %v", network, report.Verdict, report.Limits)
		}
	}
}
