package diagnose

import (
	"net/netip"
	"testing"

	"portdoc/netstate"
	"portdoc/netstate/snapshottest"
)

// TestIncludedBind: where not everything can be seen, a dual-stack bind that
// succeeded shows that the port is free on Linux; nothing less does.
func TestIncludedBind(t *testing.T) {
	wildcard6, wildcard4 := netip.IPv6Unspecified(), netip.IPv4Unspecified()
	for name, c := range map[string]struct {
		os     string
		tried  netstate.BindRequest
		result string
		v6only bool
		want   Verdict
	}{
		"dual-stack":         {"linux", netstate.BindRequest{Address: wildcard6}, "ok", false, Free},
		"the other half":     {"linux", netstate.BindRequest{Address: wildcard4}, "ok", false, Unknown},
		"IPv6 only":          {"linux", netstate.BindRequest{Address: wildcard6, V6Only: true}, "ok", true, Unknown},
		"it failed":          {"linux", netstate.BindRequest{Address: wildcard6}, "EADDRINUSE", false, Blocked},
		"with other options": {"linux", netstate.BindRequest{Address: wildcard6, ReuseAddr: true}, "ok", false, Unknown},
		"another system":     {"freebsd", netstate.BindRequest{Address: wildcard6}, "ok", false, Unknown},
	} {
		s := snapshottest.NewSnapshot().Limit(netstate.LimitSource, "the tables", "a filter forbids it").Snapshot
		s.Host.OS = c.os
		c.tried.Network, c.tried.Port = netstate.TCP, 8080
		s.Observed = []netstate.BindOutcome{{Request: c.tried, Result: c.result}}
		report := Why(s, Question{Network: netstate.TCP, Port: 8080, V6Only: c.v6only})
		if report.Verdict != c.want {
			t.Errorf("%s: %s, want %s", name, report.Verdict, c.want)
		}
	}
}
