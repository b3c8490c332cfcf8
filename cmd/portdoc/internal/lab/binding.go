package lab

import (
	"sync"

	"portdoc/netstate"
)

// binding are the experiments about addresses that exclude each other, and
// about what else bind(2) can meet.
var binding = sync.OnceValue(func() []*Experiment {
	return []*Experiment{
		{
			Name:  "dual-stack",
			Shows: "an IPv6 wildcard socket claims IPv4 too",
			Plan:  "Listens on [::], and asks about an IPv4 address.",
			Steps: []Step{{"A server listens on [::], without IPV6_V6ONLY.", func(s *stage) { s.serve("server", "[::]:0") },
				[]netstate.State{netstate.StateListen}}},
			Target: "127.0.0.1:PORT", Cause: "dual-stack", Verdict: "blocked", Draws: true,
			Why: `Without IPV6_V6ONLY, [::] stands for every IPv6 address and every IPv4 address. Lists of IPv4 sockets do not show it.`,
		},
		{
			Name:  "wildcard-overlap",
			Shows: "a specific address excludes the wildcard",
			Plan:  "Listens on 127.0.0.1, and asks about 0.0.0.0.",
			Steps: []Step{{"A server listens on 127.0.0.1.", func(s *stage) { s.serve("server", loopback) },
				[]netstate.State{netstate.StateListen}}},
			Target: "0.0.0.0:PORT", Cause: "wildcard-overlap", Verdict: "blocked", Draws: true,
			Why: `0.0.0.0 stands for all IPv4 addresses, and one of them is taken on this port. Another specific address, 127.0.0.2 for example, would be free.`,
		},
		{
			Name:  "stale-socket-file",
			Shows: "the file of a unix socket outlives its server",
			Plan:  "Listens on a unix socket, and kills the server, which then can't remove the file.",
			Steps: []Step{
				{"A server listens on a unix socket.", func(s *stage) {
					s.actor("server")
					s.do("server", "unix", s.directory()+"/app.sock")
				}, nil},
				{"SIGKILL ends the server.", func(s *stage) {
					s.get("server").signal("KILL")
					s.get("server").end()
				}, nil},
			},
			Target: "DIR/app.sock", Cause: "stale-socket-file", Verdict: "blocked",
			Why: `The file is the socket's name, and the kernel does not remove it with the socket: a server has to. bind(2) never replaces a file, so the next server fails until somebody removes it.`,
		},
		{
			Name:  "ephemeral-exhausted",
			Shows: "no free port is left for bind 0 or connect",
			Plan:  "In a network of its own whose ephemeral range is four ports, binds port 0 until it fails.",
			Steps: []Step{{"A program binds port 0 again and again.", func(s *stage) {
				s.actor("program")
				s.do("program", "exhaust", "0.0.0.0:0")
			}, nil}},
			Target: "0", Cause: "ephemeral-exhausted", Verdict: "blocked", Network: true,
			Why: `Port 0 means any port out of the ephemeral range, and all of them are taken. On a real machine it is thousands of connections, or of sockets that were never closed.`,
		},
	}
})
