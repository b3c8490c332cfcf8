package diagnose_test

import (
	"time"

	"portdoc/diagnose"
	"portdoc/netstate"
	. "portdoc/netstate/snapshottest"
)

func macOSCases() []*reportCase {
	server := func(command string, facts ...ProcessFact) *Snapshot {
		return NewMacOS().TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(4211), Sharing(true, false)).Process(4211, command, facts...)
	}
	airplay := func(process string, facts ...ProcessFact) *Snapshot {
		return NewMacOS().
			TCP("LISTEN", "0.0.0.0:5000", "", OwnedBy(441), Sharing(false, false)).
			TCP("LISTEN", "[::]:5000", "", OwnedBy(441), Sharing(false, false), V6Only(true)).
			Process(441, process, facts...)
	}
	controlCenter := Job("com.apple.controlcenter", true)
	left := func() *Snapshot { return NewMacOS().TCP("TIME_WAIT", "127.0.0.1:5188", "127.0.0.1:52000") }
	hidden := NewMacOS().
		TCP("LISTEN", "127.0.0.1:5432", "", OfUser(216), LastUsedBy(812)).
		Process(812, "postgres", Orphan, RunBy(216, "_postgres")).
		Limit(netstate.LimitOwners, "the owner of the socket on 127.0.0.1:5432", "it belongs to another user")
	hidden.Users[216] = "_postgres"
	mdns := diagnose.Question{Network: netstate.UDP, Port: 5353, Typed: "5353/udp"}
	return []*reportCase{
		{name: "macos-free", question: port(8080), snapshot: NewMacOS(), answer: ok},
		{name: "macos-airplay", question: port(5000), answer: inUse, causes: causes("system-service", "listener"),
			snapshot: airplay("/System/Library/CoreServices/ControlCenter.app/Contents/MacOS/ControlCenter", controlCenter)},
		{name: "macos-airplay-lookalike", question: port(5000), answer: inUse, causes: causes("listener"),
			snapshot: airplay("python3 -m flask run", OnTerminal("ttys003", 4100))},
		{name: "macos-mdns", question: mdns, answer: onlyAt("0.0.0.0"), causes: causes("system-service", "listener", "reuseport-mismatch"),
			snapshot: NewMacOS().UDP("0.0.0.0:5353", "", OwnedBy(320), OfUser(65), Sharing(false, true)).
				Process(320, "/usr/sbin/mDNSResponder", Job("com.apple.mDNSResponder.reloaded", false), RunBy(65, "_mdnsresponder"))},
		{name: "macos-time-wait", question: port(5188), answer: needsReuseAddr, causes: causes("time-wait"), snapshot: left()},
		{name: "macos-time-wait-lookalike", question: address("10.0.0.5", 5188), answer: ok, snapshot: left()},
		{name: "macos-stopped", question: port(5188), answer: onlyAt("0.0.0.0"), causes: causes("stopped"),
			snapshot: server("./server 5188", OnTerminal("ttys003", 4100), StoppedBy("", 0))},
		{name: "macos-stopped-lookalike", question: port(5188), answer: onlyAt("0.0.0.0"), causes: causes("listener"),
			snapshot: server("./server 5188", OnTerminal("ttys003", 4100))},
		{name: "macos-launchd", question: port(5188), answer: onlyAt("0.0.0.0"), causes: causes("supervised", "listener"),
			snapshot: server("/usr/local/bin/server", Job("com.example.server", false), RunBy(0, "root"))},
		{name: "macos-launchd-user", question: port(5188), answer: onlyAt("0.0.0.0"), causes: causes("supervised", "listener"),
			snapshot: server("/opt/homebrew/bin/redis-server", Job("homebrew.mxcl.redis", true))},
		// An app that was opened by hand.
		{name: "macos-launchd-lookalike", question: port(5188), answer: onlyAt("0.0.0.0"), causes: causes("listener"),
			snapshot: server("/Applications/Postgres.app/Contents/MacOS/Postgres", Job("application.com.postgresapp.Postgres2.1152921500311905236", true))},
		{name: "macos-launchd-socket", question: port(22), answer: onlyAt("0.0.0.0"), causes: causes("socket-activation", "listener"),
			snapshot: NewMacOS().ByRoot().
				TCP("LISTEN", "0.0.0.0:22", "", OwnedBy(1), OfUser(0), Sharing(true, false)).
				Process(1, "/sbin/launchd", RunBy(0, "root"), func(p *netstate.Process) { p.PPID, p.ParentName, p.Ancestors = 0, "", nil })},
		{name: "macos-hidden-owner", question: address("127.0.0.1", 5432), answer: inUse, causes: causes("hidden-owner"), snapshot: hidden},
		{name: "macos-docker", question: port(5188), answer: onlyAt("0.0.0.0"), causes: causes("container-proxy", "listener"),
			snapshot: server("/Applications/Docker.app/Contents/MacOS/com.docker.backend services")},
		{name: "macos-privileged-port", question: address("127.0.0.1", 80), answer: refuses("EACCES"), causes: causes("privileged-port"), snapshot: NewMacOS()},
		// The wildcards are for everybody.
		{name: "macos-privileged-port-lookalike", question: port(80), answer: ok, snapshot: NewMacOS()},
		{name: "macos-unexplained", question: port(5188), answer: inUse, snapshot: NewMacOS()},
	}
}

func otherBSDCases() []*reportCase {
	nginx := func(facts ...ProcessFact) *Snapshot {
		return NewFreeBSD().
			TCP("LISTEN", "0.0.0.0:8080", "", OwnedBy(812), OfUser(0), Sharing(true, false)).
			Process(812, "/usr/local/sbin/nginx", facts...)
	}
	openBSD := func() *Snapshot { return NewOpenBSD().TCP("LISTEN", "127.0.0.1:5188", "") }
	return []*reportCase{
		{name: "freebsd-rc", question: port(8080), answer: inUse, causes: causes("supervised", "listener"),
			snapshot: nginx(Orphan, RunBy(0, "root"), func(p *netstate.Process) { p.ParentName, p.Unit = "init", "nginx" })},
		{name: "freebsd-rc-lookalike", question: port(8080), answer: inUse, causes: causes("listener"),
			snapshot: nginx(OnTerminal("pts/3", 4100), RunBy(0, "root"))},
		{name: "freebsd-time-wait", question: port(5188), answer: needsReuseAddr, causes: causes("time-wait"),
			snapshot: NewFreeBSD().TCP("TIME_WAIT", "127.0.0.1:5188", "127.0.0.1:52000", TimeLeft(21400*time.Millisecond))},
		// The listener has it, whatever is left over beside it.
		{name: "freebsd-time-wait-lookalike", question: port(8080), answer: inUse, causes: causes("listener"), snapshot: nginx()},
		{name: "freebsd-stopped", question: port(8080), answer: inUse, causes: causes("stopped"), snapshot: nginx(OnTerminal("pts/3", 4100), StoppedBy("", 0))},
		{name: "freebsd-privileged-port", question: port(80), answer: refuses("EACCES"), causes: causes("privileged-port"), snapshot: NewFreeBSD()},
		{name: "openbsd-hidden-owner", question: address("127.0.0.1", 5188), answer: inUse, causes: causes("hidden-owner"), snapshot: openBSD()},
		{name: "openbsd-unknown", question: address("127.0.0.1", 5188), snapshot: openBSD()},
		{name: "openbsd-free", question: port(5188), answer: ok, snapshot: NewOpenBSD()},
	}
}
