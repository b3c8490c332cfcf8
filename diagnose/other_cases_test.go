package diagnose_test

import (
	"fmt"
	"slices"
	"time"

	"portdoc/diagnose"
	"portdoc/netstate"
	. "portdoc/netstate/snapshottest"
)

func ownerlessCases() []*reportCase {
	hidden := func(facts ...SocketFact) *Snapshot {
		facts = append([]SocketFact{Inode(91234), OfUser(105)}, facts...)
		s := NewSnapshot().
			TCP("LISTEN", "127.0.0.1:5432", "", facts...).
			Limit(netstate.LimitOwners, "the owner of socket 91234", "it belongs to postgres", 91234)
		s.Users[105] = "postgres"
		return s
	}
	vxlan := diagnose.Question{Network: netstate.UDP, Port: 4789, Typed: "4789/udp"}
	return []*reportCase{
		{name: "hidden-owner", question: port(5432), answer: inUse, causes: causes("hidden-owner", "wildcard-overlap"),
			snapshot: hidden(InCgroup("/system.slice/system-postgresql.slice/postgresql@15-main.service"))},
		{name: "hidden-owner-session", question: address("127.0.0.1", 5432), answer: inUse, causes: causes("hidden-owner"),
			snapshot: hidden(InCgroup("/user.slice/user-105.slice/session-3.scope"))},
		// Another user's, and root may see it.
		{name: "hidden-owner-lookalike", question: address("127.0.0.1", 5432), answer: inUse, causes: causes("listener"),
			snapshot: NewSnapshot().ByRoot().
				TCP("LISTEN", "127.0.0.1:5432", "", OwnedBy(812), OfUser(105), Sharing(true, false)).
				Process(812, "postgres -D /var/lib/postgresql", Orphan, RunBy(105, "postgres"))},
		// Root sees everybody: then the owner is not hidden, there is none.
		{name: "no-process", question: address("127.0.0.1", 5432), answer: inUse, causes: causes("no-process"),
			snapshot: NewSnapshot().ByRoot().TCP("LISTEN", "127.0.0.1:5432", "", Inode(91234), OfUser(0))},
		{name: "no-process-lookalike", question: address("127.0.0.1", 5432), answer: inUse, causes: causes("hidden-owner"), snapshot: hidden()},
		{name: "kernel", question: vxlan, answer: inUse, causes: causes("kernel"),
			snapshot: NewSnapshot().ByRoot().UDP("0.0.0.0:4789", "", Inode(91300), OfUser(0)).
				KernelHolder(netstate.UDP, 4789, "vxlan", "the vxlan device vxlan0", "vxlan0")},
		// The kernel's tunnel has the port of another network.
		{name: "kernel-lookalike", question: port(4789), answer: inUse, causes: causes("no-process"),
			snapshot: NewSnapshot().ByRoot().TCP("LISTEN", "0.0.0.0:4789", "", Inode(91300), OfUser(0)).
				KernelHolder(netstate.UDP, 4789, "vxlan", "the vxlan device vxlan0", "vxlan0")},
	}
}

// manyLeft are connections in TIME_WAIT, one of which ends each second.
func manyLeft(n int) *Snapshot {
	s := NewSnapshot()
	for i := range n {
		s.TCP("TIME_WAIT", "127.0.0.1:5188", fmt.Sprintf("127.0.0.1:%d", 45500+i), TimeLeft(time.Duration(i+1)*time.Second))
	}
	return s
}

func closingCases() []*reportCase {
	left := func(state netstate.State, facts ...SocketFact) *Snapshot {
		return NewSnapshot().TCP(state, "127.0.0.1:5188", "127.0.0.1:45500", facts...)
	}
	soon := TimeLeft(45300 * time.Millisecond)
	asked := port(5188)
	asked.ReuseAddr = true
	return []*reportCase{
		{name: "time-wait", question: port(5188), snapshot: left("TIME_WAIT", soon), answer: inUse, causes: causes("time-wait")},
		{name: "time-wait-reusable", question: port(5188), snapshot: left("TIME_WAIT", soon), answer: needsReuseAddr, causes: causes("time-wait")},
		{name: "time-wait-reuseaddr", question: asked, snapshot: left("TIME_WAIT", soon), answer: needsReuseAddr},
		{name: "time-wait-many", question: port(5188), snapshot: manyLeft(40), answer: needsReuseAddr, causes: causes("time-wait")},
		// Left behind at an address that was not asked about.
		{name: "time-wait-lookalike", question: address("10.0.0.5", 5188), snapshot: left("TIME_WAIT", soon), answer: ok},
		{name: "fin-wait", question: port(5188), answer: needsReuseAddr, causes: causes("fin-wait"),
			snapshot: left("FIN_WAIT2", soon).
				Peer("CLOSE_WAIT", "127.0.0.1:45500", "127.0.0.1:5188", OwnedBy(700), From("connect")).
				Process(700, "curl localhost:5188", OnTerminal("pts/1", 4000))},
		{name: "fin-wait-unanswered", question: port(5188), answer: inUse, causes: causes("fin-wait"), snapshot: left("FIN_WAIT1")},
		// A process still has it: it called shutdown, not close.
		{name: "fin-wait-lookalike", question: port(5188), answer: needsReuseAddr, causes: causes("connection"),
			snapshot: left("FIN_WAIT2", OwnedBy(4212), From("accept"), Sharing(true, false)).Process(4212, "./server 5188")},
		{name: "last-ack", question: port(5188), answer: needsReuseAddr, causes: causes("last-ack"), snapshot: left("LAST_ACK")},
		{name: "last-ack-lookalike", question: port(5188), answer: needsReuseAddr, causes: causes("closing"), snapshot: left("CLOSING")},
		{name: "closing", question: port(5188), answer: inUse, causes: causes("closing"), snapshot: left("CLOSING")},
		{name: "closing-lookalike", question: port(5188), answer: needsReuseAddr, causes: causes("time-wait"), snapshot: left("TIME_WAIT", soon)},
		// SYN_RECV blocks nothing.
		{name: "syn-recv", question: port(5188), answer: inUse, causes: causes("listener"),
			snapshot: server().TCP("SYN_RECV", "127.0.0.1:5188", "127.0.0.1:45500")},
	}
}

func permissionCases() []*reportCase {
	listening := func() *Snapshot {
		return NewSnapshot().
			TCP("LISTEN", "0.0.0.0:80", "", Inode(91234), OfUser(0)).
			Limit(netstate.LimitOwners, "the owner of socket 91234", "it belongs to root", 91234)
	}
	odd := NewSnapshot()
	odd.Policy.IPv6Disabled = new(bool)
	*odd.Policy.IPv6Disabled = true
	odd.Policy.Addresses = slices.DeleteFunc(odd.Policy.Addresses, func(a netstate.InterfaceAddress) bool { return a.Prefix.Addr().Is6() })
	without6 := NewSnapshot()
	without6.Policy.IPv6 = new(bool)
	used := NewSnapshot()
	used.Ephemeral = &netstate.EphemeralUse{Network: netstate.TCP, Available: 28232, Used: 28232}
	none := diagnose.Question{Network: netstate.TCP, Typed: "0"}
	return []*reportCase{
		{name: "privileged-port", question: port(80), answer: refuses("EACCES"), causes: causes("privileged-port"), snapshot: NewSnapshot()},
		{name: "privileged-port-taken", question: port(80), answer: refuses("EACCES"), causes: causes("privileged-port", "hidden-owner"), snapshot: listening()},
		// A port above the limit: something else forbids it.
		{name: "privileged-port-lookalike", question: port(8080), answer: refuses("EACCES"), snapshot: NewSnapshot()},
		{name: "address-not-local", question: address("198.51.100.7", 5188), answer: refuses("EADDRNOTAVAIL"), causes: causes("address-not-local"), snapshot: NewSnapshot()},
		{name: "address-not-local-lookalike", question: address("::1", 5188), answer: refuses("EADDRNOTAVAIL"), causes: causes("family-unavailable"), snapshot: odd},
		{name: "family-unavailable", question: address("::1", 5188), answer: refuses("EAFNOSUPPORT"), causes: causes("family-unavailable"), snapshot: without6},
		// Switched off, and not asked about.
		{name: "family-unavailable-lookalike", question: port(5188), answer: ok, snapshot: without6},
		{name: "ephemeral-exhausted", question: none, answer: inUse, causes: causes("ephemeral-exhausted"), snapshot: used},
		{name: "ephemeral-exhausted-lookalike", question: none, answer: ok, snapshot: NewSnapshot()},
	}
}

func overlapCases() []*reportCase {
	at := func(local string, facts ...SocketFact) *Snapshot {
		facts = append([]SocketFact{OwnedBy(4211), Sharing(true, false)}, facts...)
		return NewSnapshot().TCP("LISTEN", local, "", facts...).Process(4211, "./server 5188")
	}
	asked := port(5188)
	asked.ReusePort = true
	canJoin := func(r netstate.BindRequest) string {
		if r.ReusePort {
			return "ok"
		}
		return "EADDRINUSE"
	}
	return []*reportCase{
		{name: "dual-stack", question: address("127.0.0.1", 5188), answer: inUse, causes: causes("listener", "dual-stack"), snapshot: at("[::]:5188", V6Only(false))},
		{name: "dual-stack-ipv6", question: address("::", 5188), answer: inUse, causes: causes("listener", "dual-stack"), snapshot: at("0.0.0.0:5188")},
		// IPV6_V6ONLY leaves IPv4 alone.
		{name: "dual-stack-lookalike", question: address("127.0.0.1", 5188), answer: ok, snapshot: at("[::]:5188", V6Only(true))},
		{name: "wildcard-overlap", question: port(5188), answer: inUse, causes: causes("listener", "wildcard-overlap"), snapshot: at("127.0.0.1:5188")},
		{name: "wildcard-overlap-specific", question: address("10.0.0.5", 5188), answer: inUse, causes: causes("listener", "wildcard-overlap"), snapshot: at("0.0.0.0:5188")},
		{name: "wildcard-overlap-loopback6", question: port(5188), answer: onlyAt("::"), causes: causes("listener", "wildcard-overlap"), snapshot: at("[::1]:5188", V6Only(true))},
		{name: "wildcard-overlap-lookalike", question: address("127.0.0.1", 5188), answer: inUse, causes: causes("listener"), snapshot: at("127.0.0.1:5188")},
		{name: "reuseport-mismatch", question: address("0.0.0.0", 5188), answer: canJoin, causes: causes("listener", "reuseport-mismatch"), snapshot: at("0.0.0.0:5188", Sharing(false, true))},
		{name: "reuseport-mismatch-alone", question: asked, answer: inUse, causes: causes("listener", "reuseport-mismatch"), snapshot: at("0.0.0.0:5188")},
		{name: "reuseport-mismatch-user", question: asked, answer: inUse, causes: causes("listener", "reuseport-mismatch"),
			snapshot: at("0.0.0.0:5188", Sharing(false, true), OfUser(1001))},
		{name: "reuseport-mismatch-lookalike", question: asked, answer: canJoin, snapshot: at("0.0.0.0:5188", Sharing(false, true))},
	}
}

func unixCases() []*reportCase {
	const path = "/run/app/server.sock"
	q := diagnose.Question{Network: netstate.Unix, Path: path, Typed: path}
	abstract := diagnose.Question{Network: netstate.Unix, Path: "@app", Typed: "@app"}
	odd := diagnose.Question{Network: netstate.Unix, Path: "/tmp/it's\x1b[31m mine.sock"}
	live := NewSnapshot().File(path, netstate.PathSocket, "EPROTOTYPE").
		UnixSocket("LISTEN", path, 4211).
		UnixSocket("ESTABLISHED", path, 4211).
		Process(4211, "./server 5188")
	stopped := NewSnapshot().File(path, netstate.PathSocket, "EPROTOTYPE").
		UnixSocket("LISTEN", path, 4211).
		Process(4211, "./server 5188", OnTerminal("pts/3", 4100), StoppedBy("SIGTSTP", time.Minute))
	// The server's file was removed, and another program made this one.
	replaced := NewSnapshot().
		UnixSocket("LISTEN", path, 4211).
		File(path, netstate.PathSocket, "ECONNREFUSED").
		Process(4211, "./server 5188")
	replaced.Unix[0].FileDevice, replaced.Unix[0].FileInode = 21, 1
	return []*reportCase{
		{name: "unix-free", question: q, snapshot: NewSnapshot().NoFile(path, "")},
		{name: "unix-listener", question: q, snapshot: live, causes: causes("unix-listener")},
		{name: "unix-listener-abstract", question: abstract, causes: causes("unix-listener"),
			snapshot: NewSnapshot().UnixSocket("LISTEN", "@app", 4211).Process(4211, "./server 5188")},
		{name: "unix-listener-elsewhere", question: q, causes: causes("unix-listener"), snapshot: NewSnapshot().File(path, netstate.PathSocket, "EPROTOTYPE")},
		{name: "unix-listener-lookalike", question: q, snapshot: replaced, causes: causes("stale-socket-file")},
		{name: "unix-stopped", question: q, snapshot: stopped, causes: causes("stopped")},
		{name: "stale-socket-file", question: q, causes: causes("stale-socket-file"), snapshot: NewSnapshot().File(path, netstate.PathSocket, "ECONNREFUSED")},
		{name: "stale-socket-file-odd-name", question: odd, causes: causes("stale-socket-file"), snapshot: NewSnapshot().File(odd.Path, netstate.PathSocket, "ECONNREFUSED")},
		{name: "stale-socket-file-untried", question: q, causes: causes("stale-socket-file"), snapshot: NewSnapshot().File(path, netstate.PathSocket, "EACCES")},
		{name: "stale-socket-file-lookalike", question: q, causes: causes("path-exists"), snapshot: NewSnapshot().File(path, netstate.PathRegular, "")},
		{name: "path-exists", question: q, causes: causes("path-exists"), snapshot: NewSnapshot().File(path, netstate.PathDirectory, "")},
		{name: "path-exists-lookalike", question: q, causes: causes("path-unusable"), snapshot: NewSnapshot().NoFile(path, "ENOENT")},
		{name: "path-unusable", question: q, causes: causes("path-unusable"), snapshot: NewSnapshot().NoFile(path, "EACCES")},
		{name: "path-unusable-lookalike", question: q, causes: causes("path-exists"), snapshot: NewSnapshot().File(path, netstate.PathSymlink, "")},
		{name: "unix-unknown", question: q, snapshot: NewSnapshot()},
	}
}
