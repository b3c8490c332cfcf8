package netstate

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	psnet "github.com/shirou/gopsutil/v3/net"
)

// Nothing that such a table does not show may be taken for free.
func TestAddConnections(t *testing.T) {
	rows := []psnet.ConnectionStat{
		{Family: 2, Laddr: psnet.Addr{IP: "0.0.0.0", Port: 80}, Status: "LISTEN"},
		{Family: 2, Laddr: psnet.Addr{IP: "127.0.0.1", Port: 81}, Status: "LISTEN"},
		{Family: 24, Laddr: psnet.Addr{IP: "fe80::1%", Port: 80}, Status: "LISTEN"},
	}
	tests := map[string]struct {
		network Network
		rows    []psnet.ConnectionStat
		failure error
		sockets int
		want    []LimitKind
	}{
		"tcp": {TCP, rows[:2], nil, 1, []LimitKind{LimitOwners, LimitUnsupported, LimitSource, LimitSource, LimitBound}},
		"tcp, one row not understood": {TCP, rows, nil, 1,
			[]LimitKind{LimitOwners, LimitUnsupported, LimitSource, LimitSource, LimitBound, LimitUnsupported}},
		"udp":      {UDP, nil, nil, 0, []LimitKind{LimitOwners, LimitUnsupported, LimitSource}},
		"no table": {TCP, nil, context.DeadlineExceeded, 0, []LimitKind{LimitUnsupported}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &Snapshot{}
			s.addConnections(portQuery{network: test.network, ports: portSet{{First: 80, Last: 80}}}, test.rows, test.failure)
			var kinds []LimitKind
			for _, l := range s.Limits {
				kinds = append(kinds, l.Kind)
				if l.What == "" || l.Why == "" {
					t.Errorf("%+v", l)
				}
			}
			if diff := cmp.Diff(test.want, kinds); diff != "" || len(s.Sockets) != test.sockets {
				t.Errorf("%d sockets, limits (-want +got):\n%s", len(s.Sockets), diff)
			}
		})
	}
}
