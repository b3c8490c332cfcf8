package diagnose_test

import (
	"time"

	"portdoc/diagnose"
	"portdoc/netstate"
	. "portdoc/netstate/snapshottest"
)

// causes are ids in the order of a report.
func causes(ids ...diagnose.CauseID) []diagnose.CauseID { return ids }

func server() *Snapshot {
	return NewSnapshot().
		TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(4211), Sharing(true, false)).
		Process(4211, "./server 5188", OnTerminal("pts/3", 4100))
}

// onlyAt answers that one address is taken, whatever the options.
func onlyAt(addresses ...string) func(netstate.BindRequest) string {
	return func(r netstate.BindRequest) string {
		for _, a := range addresses {
			if r.Address.String() == a {
				return "EADDRINUSE"
			}
		}
		return "ok"
	}
}

func listenerCases() []*reportCase {
	udp := diagnose.Question{Network: netstate.UDP, Port: 5353, Typed: "5353/udp"}
	queue := server().
		TCP("ESTABLISHED", "127.0.0.1:5188", "127.0.0.1:45500").
		TCP("CLOSE_WAIT", "127.0.0.1:5188", "127.0.0.1:45502")
	return []*reportCase{
		{name: "free", question: port(8080), snapshot: NewSnapshot(), answer: ok},
		{name: "free-not-tried", question: port(8080), snapshot: NewSnapshot()},
		{name: "free-unseen", question: port(8080), snapshot: NewSnapshot().
			Limit(netstate.LimitBound, "sockets that are bound and do not listen", "this kernel does not list them")},
		{name: "listener", question: port(5188), answer: inUse, causes: causes("listener"),
			snapshot: server().TCP("ESTABLISHED", "127.0.0.1:5188", "127.0.0.1:45500", OwnedBy(4211), From("accept"), Sharing(true, false))},
		// A listener at another address than the one asked about.
		{name: "listener-lookalike", question: address("127.0.0.1", 5188), answer: ok,
			snapshot: NewSnapshot().
				TCP("LISTEN", "127.0.0.2:5188", "", OwnedBy(4211), Sharing(true, false)).
				Process(4211, "./server 5188")},
		{name: "listener-time-wait", question: port(5188), answer: inUse, causes: causes("listener", "time-wait"),
			snapshot: server().TCP("TIME_WAIT", "127.0.0.1:5188", "127.0.0.1:45500", TimeLeft(46200*time.Millisecond))},
		{name: "listener-queue", question: port(5188), answer: inUse, causes: causes("listener"), snapshot: queue},
		{name: "listener-workers", question: port(5188), answer: inUse, causes: causes("listener"),
			snapshot: NewSnapshot().
				TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(4211, 4212, 4213), Sharing(true, false)).
				Process(4211, "gunicorn app:main", Orphan).
				Process(4212, "gunicorn app:main", Orphan, ChildOf(4211, "gunicorn")).
				Process(4213, "gunicorn app:main", Orphan, ChildOf(4211, "gunicorn"))},
		{name: "listener-udp", question: udp, answer: inUse, causes: causes("listener"),
			snapshot: NewSnapshot().
				UDP("0.0.0.0:5353", "", OwnedBy(600), OfUser(110), Sharing(true, false)).
				Process(600, "avahi-daemon", Orphan, RunBy(110, "avahi"))},
		{name: "bound", question: port(5188), answer: inUse, causes: causes("bound"),
			snapshot: NewSnapshot().
				TCP("BOUND", "0.0.0.0:5188", "", OwnedBy(4211), Sharing(false, false)).
				Process(4211, "./server 5188")},
		{name: "bound-unseen", question: port(5188), answer: inUse, causes: causes("bound"),
			snapshot: NewSnapshot().
				Limit(netstate.LimitBound, "sockets that are bound and do not listen", "this kernel does not list them")},
		{name: "bound-lookalike", question: port(5188), answer: inUse, causes: causes("listener"), snapshot: server()},
		// Refused, and nothing hides a socket that is bound.
		{name: "unexplained", question: port(5188), answer: inUse, snapshot: NewSnapshot()},
	}
}

// keeperCases are about programs that hold a port for somebody else.
func keeperCases() []*reportCase {
	first := func(command string) *Snapshot {
		return NewSnapshot().ByRoot().
			TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(1), OfUser(0), Sharing(true, false)).
			Process(1, command, RunBy(0, "root"), func(p *netstate.Process) { p.PPID, p.ParentName, p.Ancestors = 0, "", nil })
	}
	byRoot := func(command string, facts ...ProcessFact) *Snapshot {
		return NewSnapshot().ByRoot().
			TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(600), OfUser(0), Sharing(true, false)).
			Process(600, command, append(facts, RunBy(0, "root"))...)
	}
	resolved := NewSnapshot().ByRoot().
		TCP("LISTEN", "127.0.0.53:53", "", OwnedBy(600), OfUser(102), Sharing(true, false)).
		TCP("LISTEN", "127.0.0.54:53", "", OwnedBy(600), OfUser(102), Sharing(true, false)).
		Process(600, "systemd-resolve", Service("systemd-resolved.service"), RunBy(102, "systemd-resolve"))
	hidden := NewSnapshot().
		UDP("127.0.0.53:53", "", Inode(91234), OfUser(102), InCgroup("/system.slice/systemd-resolved.service")).
		Limit(netstate.LimitOwners, "the owner of socket 91234", "it belongs to systemd-resolve", 91234)
	dns := diagnose.Question{Network: netstate.UDP, Port: 53, Typed: "53/udp"}
	ssh := func(command string, facts ...ProcessFact) *Snapshot {
		return NewSnapshot().
			TCP("LISTEN", "127.0.0.1:5188", "", OwnedBy(700), Sharing(true, false)).
			Process(700, command, facts...)
	}
	return []*reportCase{
		{name: "container-proxy", question: port(5188), answer: inUse, causes: causes("container-proxy", "listener"),
			snapshot: byRoot("/usr/bin/docker-proxy -proto tcp -host-port 5188", Service("docker.service"))},
		{name: "container-proxy-lookalike", question: port(5188), answer: inUse, causes: causes("listener"), snapshot: byRoot("/usr/bin/docker-registry serve")},
		{name: "socket-activation", question: port(5188), answer: inUse, causes: causes("socket-activation", "listener"), snapshot: first("/sbin/init")},
		// The first process of a container is the server itself.
		{name: "socket-activation-lookalike", question: port(5188), answer: inUse, causes: causes("listener"), snapshot: first("node server.js")},
		{name: "forwarding", question: port(5188), answer: inUse, causes: causes("forwarding", "listener", "wildcard-overlap"),
			snapshot: ssh("ssh -N -L 5188:db:5432 gateway", OnTerminal("pts/1", 4100))},
		{name: "forwarding-remote", question: address("127.0.0.1", 5188), answer: inUse, causes: causes("forwarding", "listener"),
			snapshot: ssh("sshd", func(p *netstate.Process) { p.Command = []string{"sshd: alice@notty"} })},
		// The server of ssh itself.
		{name: "forwarding-lookalike", question: address("127.0.0.1", 5188), answer: inUse, causes: causes("listener"), snapshot: ssh("/usr/sbin/sshd -D -p 5188")},
		{name: "system-service", question: port(53), answer: inUse, causes: causes("system-service", "listener", "wildcard-overlap"), snapshot: resolved},
		{name: "system-service-hidden", question: dns, answer: refuses("EACCES"), causes: causes("privileged-port", "system-service", "wildcard-overlap"), snapshot: hidden},
		{name: "system-service-lookalike", question: address("127.0.0.1", 53), answer: inUse, causes: causes("listener"),
			snapshot: NewSnapshot().ByRoot().
				TCP("LISTEN", "127.0.0.1:53", "", OwnedBy(600), OfUser(0), Sharing(true, false)).
				Process(600, "dnsmasq --conf-file", RunBy(0, "root"))},
	}
}

func connectionCases() []*reportCase {
	worker := func(state netstate.State, facts ...SocketFact) *Snapshot {
		facts = append([]SocketFact{OwnedBy(4212), From("accept"), Sharing(true, false)}, facts...)
		return NewSnapshot().
			TCP(state, "127.0.0.1:5188", "127.0.0.1:45500", facts...).
			Process(4212, "./server 5188", Orphan)
	}
	client := func(local string, origin netstate.Origin) *Snapshot {
		s := NewSnapshot().
			TCP("ESTABLISHED", local, "93.184.215.14:443", OwnedBy(700), From(origin), Sharing(false, false)).
			Process(700, "firefox")
		s.Policy.ReservedPorts = []netstate.PortRange{{First: 8080, Last: 8080}, {First: 50000, Last: 50010}}
		return s
	}
	return []*reportCase{
		{name: "connection", question: port(5188), answer: needsReuseAddr, causes: causes("connection"), snapshot: worker("ESTABLISHED")},
		{name: "connection-blocked", question: port(5188), answer: inUse, causes: causes("connection"), snapshot: worker("ESTABLISHED", Sharing(false, false))},
		// The listener still has the port, and the connection with it.
		{name: "connection-lookalike", question: port(5188), answer: inUse, causes: causes("listener"),
			snapshot: worker("ESTABLISHED").
				TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(4211), Sharing(true, false)).
				Process(4211, "./server 5188")},
		// A client's connection to the port of another machine.
		{name: "connection-remote", question: port(5188), answer: ok,
			snapshot: NewSnapshot().
				TCP("ESTABLISHED", "10.0.0.5:45500", "10.0.0.9:5188", OwnedBy(700), From("connect")).
				Process(700, "firefox")},
		{name: "close-wait", question: port(5188), answer: needsReuseAddr, causes: causes("close-wait"), snapshot: worker("CLOSE_WAIT")},
		{name: "close-wait-lookalike", question: port(5188), answer: inUse, causes: causes("listener"),
			snapshot: worker("CLOSE_WAIT").
				TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(4212), Sharing(true, false))},
		{name: "outgoing", question: port(45188), answer: inUse, causes: causes("outgoing"), snapshot: client("10.0.0.5:45188", "connect")},
		{name: "outgoing-guessed", question: port(45188), answer: inUse, causes: causes("outgoing"), snapshot: client("10.0.0.5:45188", "")},
		{name: "outgoing-lookalike", question: port(45188), answer: inUse, causes: causes("connection"), snapshot: client("10.0.0.5:45188", "accept")},
		{name: "self-connect", question: port(45188), answer: inUse, causes: causes("self-connect"),
			snapshot: NewSnapshot().
				TCP("ESTABLISHED", "127.0.0.1:45188", "127.0.0.1:45188", OwnedBy(700), From("connect"), Sharing(false, false)).
				Process(700, "./retry localhost 45188", OnTerminal("pts/1", 4100))},
		{name: "self-connect-lookalike", question: port(45188), answer: inUse, causes: causes("outgoing"),
			snapshot: NewSnapshot().
				TCP("ESTABLISHED", "127.0.0.1:45188", "127.0.0.1:5432", OwnedBy(700), From("connect"), Sharing(false, false)).
				Process(700, "./retry localhost 5432")},
	}
}

func stateCases() []*reportCase {
	const container = "4f66ad9a0b2e5a5d2a0c3b7a8f0e1d2c3b4a5968778695a4b3c2d1e0f1a2b3c4"
	listening := func(facts ...ProcessFact) *Snapshot {
		return NewSnapshot().
			TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(4211), Sharing(true, false)).
			TCP("ESTABLISHED", "127.0.0.1:5188", "127.0.0.1:45500", OwnedBy(4211), From("accept"), Sharing(true, false)).
			Process(4211, "./server", facts...)
	}
	terminal := OnTerminal("pts/3", 4100)
	user := Service("app.service")
	return []*reportCase{
		{name: "stopped", question: port(5188), answer: inUse, causes: causes("stopped"),
			snapshot: listening(terminal, StoppedBy("SIGTSTP", 12*time.Minute))},
		{name: "stopped-detached", question: port(5188), answer: inUse, causes: causes("stopped"),
			snapshot: listening(StoppedBy("SIGSTOP", 0))},
		{name: "stopped-background", question: port(5188), answer: inUse, causes: causes("stopped", "time-wait"),
			snapshot: listening(terminal, StoppedBy("SIGTTIN", time.Minute)).
				TCP("TIME_WAIT", "127.0.0.1:5188", "127.0.0.1:45502", TimeLeft(10*time.Second))},
		{name: "stopped-foreign", question: port(5188), answer: inUse, causes: causes("stopped"),
			snapshot: listening(RunBy(1001, "bob"), StoppedBy("", 0))},
		// The client is stopped, not the server.
		{name: "stopped-lookalike", question: port(5188), answer: inUse, causes: causes("listener"),
			snapshot: listening(terminal).
				Peer("ESTABLISHED", "127.0.0.1:45500", "127.0.0.1:5188", OwnedBy(4300)).
				Process(4300, "nc localhost 5188", terminal, StoppedBy("SIGTSTP", time.Minute))},
		{name: "traced", question: port(5188), answer: inUse, causes: causes("traced"), snapshot: listening(terminal, TracedBy(4400, "gdb"))},
		// Traced, and it runs: strace looks on.
		{name: "traced-lookalike", question: port(5188), answer: inUse, causes: causes("listener"),
			snapshot: listening(terminal, TracedBy(4400, "strace"), func(p *netstate.Process) { p.State = netstate.Running })},
		{name: "frozen", question: port(5188), answer: inUse, causes: causes("frozen"), snapshot: listening(FrozenBy("/sys/fs/cgroup/jobs"))},
		{name: "frozen-v1", question: port(5188), answer: inUse, causes: causes("frozen"), snapshot: listening(FrozenBy("/sys/fs/cgroup/freezer/jobs"))},
		{name: "frozen-container", question: port(5188), answer: inUse, causes: causes("frozen", "supervised"),
			snapshot: listening(Container(container, "/system.slice/docker-"+container+".scope"), FrozenBy("/sys/fs/cgroup/system.slice/docker-"+container+".scope"))},
		{name: "frozen-unit", question: port(5188), answer: inUse, causes: causes("frozen", "supervised"),
			snapshot: listening(Service("app.service"), FrozenBy("/sys/fs/cgroup/system.slice/app.service"))},
		{name: "frozen-lookalike", question: port(5188), answer: inUse, causes: causes("listener"), snapshot: listening(terminal)},
		{name: "supervised", question: port(5188), answer: inUse, causes: causes("supervised", "listener"), snapshot: listening(user, RunBy(33, "www-data"))},
		{name: "supervised-user", question: port(5188), answer: inUse, causes: causes("supervised", "listener"),
			snapshot: listening(user, func(p *netstate.Process) { p.UserUnit = true })},
		{name: "supervised-container", question: port(5188), answer: inUse, causes: causes("supervised", "listener"),
			snapshot: listening(Container(container, "/machine.slice/libpod-"+container+".scope"))},
		// Started by hand in a session that ssh's service made.
		{name: "supervised-lookalike", question: port(5188), answer: inUse, causes: causes("listener"),
			snapshot: listening(terminal, func(p *netstate.Process) { p.Unit = "app.service" })},
	}
}

func inheritedCases() []*reportCase {
	shared := func(facts []SocketFact, pids ...int) *Snapshot {
		facts = append([]SocketFact{OwnedBy(pids...), Sharing(true, false)}, facts...)
		return NewSnapshot().TCP("LISTEN", "0.0.0.0:5188", "", facts...)
	}
	idle := []SocketFact{Waiting(netstate.WaitsNo)}
	inherited := causes("inherited")
	return []*reportCase{
		{name: "inherited", question: port(5188), answer: inUse, causes: inherited,
			snapshot: shared(idle, 4300).Process(4300, "sleep 1000", Orphan, CannotListen)},
		{name: "inherited-likely", question: port(5188), answer: inUse, causes: inherited,
			snapshot: shared(idle, 4300).Process(4300, "ssh -N db", Orphan)},
		{name: "inherited-shared", question: port(5188), answer: inUse, causes: inherited,
			snapshot: shared(nil, 4300, 4301).
				Process(4300, "worker 1", Orphan, func(p *netstate.Process) { p.PGID = 4211 }).
				Process(4301, "worker 2", Orphan, func(p *netstate.Process) { p.PGID = 4211 })},
		{name: "inherited-opener-alive", question: port(5188), answer: inUse, causes: causes("inherited", "listener"),
			snapshot: shared(idle, 4211, 4300).
				Process(4211, "./server 5188").
				Process(4300, "sleep 1000", ChildOf(4211, "server"))},
		// An ordinary daemon: an orphan too, and it waits for its socket.
		{name: "inherited-lookalike", question: port(5188), answer: inUse, causes: causes("listener"),
			snapshot: shared(nil, 4300).Process(4300, "./server 5188", Orphan)},
		// A service that is busy with something else at the moment.
		{name: "inherited-service", question: port(5188), answer: inUse, causes: causes("supervised", "listener"),
			snapshot: shared(idle, 4300).Process(4300, "./server 5188", Service("app.service"))},
		// Not passed on by anybody: the descriptor is close-on-exec.
		{name: "inherited-close-on-exec", question: port(5188), answer: inUse, causes: causes("listener"),
			snapshot: shared([]SocketFact{Waiting(netstate.WaitsNo), CloseOnExec}, 4300).Process(4300, "./server 5188", Orphan)},
	}
}
