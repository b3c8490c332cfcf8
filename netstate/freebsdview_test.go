package netstate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFreeBSDViewLimits(t *testing.T) {
	sockets := []Socket{
		{Inode: 8}, // nobody was seen to have it
		{Inode: 9, Owners: []Owner{{PID: 100}}},
		{State: StateTimeWait}, // nobody can have it
	}
	kinds := func(limits []Limit) []LimitKind {
		var kinds []LimitKind
		for _, l := range limits {
			kinds = append(kinds, l.Kind)
		}
		return kinds
	}
	tests := map[string]struct {
		view            freebsdView
		sockets, owners []LimitKind
		why             string
	}{
		"root":               {view: freebsdView{root: true}},
		"root, users hidden": {view: freebsdView{root: true, hidesUsers: true, hidesGroups: true}},
		"root without descriptors": {
			view:   freebsdView{root: true, filesFailure: "the list of descriptors can't be read: no"},
			owners: []LimitKind{LimitOwners}, why: "the list of descriptors can't be read: no",
		},
		"ordinary user": {owners: []LimitKind{LimitOwners}, why: "only root sees every process"},
		"users hidden": {
			view:    freebsdView{hidesUsers: true},
			sockets: []LimitKind{LimitUnsupported}, owners: []LimitKind{LimitOwners},
			why: "only root may see them (security.bsd.see_other_uids)",
		},
		"root of a jail": {
			view:    freebsdView{root: true, jailed: true},
			sockets: []LimitKind{LimitUnsupported}, owners: []LimitKind{LimitOwners},
			why: "processes outside this jail can't be seen",
		},
		"root of a jail with its own network": {
			view:   freebsdView{root: true, jailed: true, ownNetwork: true},
			owners: []LimitKind{LimitOwners}, why: "processes outside this jail can't be seen",
		},
		"user of a jail, all hidden": {
			view:    freebsdView{jailed: true, hidesUsers: true, hidesGroups: true},
			sockets: []LimitKind{LimitUnsupported, LimitUnsupported}, owners: []LimitKind{LimitOwners},
			why: "only root may see them (security.bsd.see_other_uids, security.bsd.see_other_gids); " +
				"processes outside this jail can't be seen",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.sockets, kinds(test.view.socketLimits())); diff != "" {
				t.Errorf("sockets (-want +got):\n%s", diff)
			}
			limits := test.view.ownerLimits(sockets)
			if diff := cmp.Diff(test.owners, kinds(limits)); diff != "" {
				t.Errorf("owners (-want +got):\n%s", diff)
			}
			for _, l := range limits {
				if l.Why != test.why || len(l.Inodes) != 1 || l.Inodes[0] != 8 {
					t.Errorf("%+v, want %q", l, test.why)
				}
			}
			if limits := test.view.ownerLimits(sockets[1:]); limits != nil {
				t.Errorf("where every owner is known: %+v", limits)
			}
		})
	}
}

func TestAddFreeBSD(t *testing.T) {
	row := func(network Network, local, remote string, state State, inode uint64) freebsdSocket {
		s := freebsdSocket{Socket: Socket{Network: network, Local: endpoint(local), State: state, Inode: inode}}
		if remote != "" {
			s.Remote = endpoint(remote)
		}
		return s
	}
	all := []freebsdSocket{
		row(TCP, "127.0.0.1:80", "", StateListen, 1),
		row(TCP, "127.0.0.1:80", "127.0.0.1:50000", StateFinWait2, 0),
		row(TCP, "127.0.0.1:50000", "127.0.0.1:80", StateCloseWait, 2),
		row(TCP, "127.0.0.1:50001", "127.0.0.1:81", StateEstablished, 3),
	}
	s := &Snapshot{Policy: Policy{EphemeralPorts: &PortRange{First: 50_000, Last: 50_009}}}
	s.addFreeBSD(portQuery{network: TCP, ports: portSet{{First: 80, Last: 80}}, ephemeral: true}, all)
	if len(s.Sockets) != 2 || s.Sockets[0].Inode != 1 || len(s.Peers) != 1 || s.Peers[0].Inode != 2 {
		t.Errorf("sockets %+v, peers %+v", s.Sockets, s.Peers)
	}
	if diff := cmp.Diff(&EphemeralUse{Network: TCP, Available: 10, Used: 2}, s.Ephemeral); diff != "" {
		t.Errorf("use (-want +got):\n%s", diff)
	}
}
