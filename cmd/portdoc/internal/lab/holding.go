package lab

import (
	"sync"

	"portdoc/netstate"
)

// holding are the experiments about who has the port, apart from the server
// that one expects.
var holding = sync.OnceValue(func() []*Experiment {
	return []*Experiment{
		{
			Name:  "ctrl-z",
			Shows: "a server stopped with Ctrl+Z keeps its port for ever",
			Plan:  "Stops a server that has a client, as Ctrl+Z does, and tries to end it with SIGTERM.",
			Steps: append(talk("client"),
				Step{"Ctrl+Z (SIGTSTP) stops the server.", func(s *stage) { s.get("server").stop() },
					[]netstate.State{netstate.StateListen, netstate.StateEstablished}},
				Step{"The client says something, and nothing comes back.", func(s *stage) { s.get("client").tell("are you there") },
					[]netstate.State{netstate.StateListen, netstate.StateEstablished}},
				Step{"SIGTERM to the server: it can't act on it while it is stopped.", func(s *stage) { s.get("server").signal("TERM") },
					[]netstate.State{netstate.StateListen, netstate.StateEstablished}}),
			Cause: "stopped", Verdict: "blocked", Draws: true,
			Why: `A stopped process is not ended: it has everything it had, its sockets too, and does nothing with them. A connection stays ESTABLISHED, because the kernel acknowledges what comes. SIGTERM waits until the process goes on. That is why the remedy is fg and then Ctrl+C, or TERM and then CONT; KILL is the one signal that needs no cooperation.`,
			After: []Step{{"SIGCONT lets it go on, and the SIGTERM that waited ends it.", func(s *stage) {
				s.get("server").signal("CONT")
				s.get("server").end()
				s.get("client").end()
			}, nil}, {"The server is started again, stopped again, and ended with SIGKILL: that acts at once.", func(s *stage) {
				s.serve("again", s.address)
				s.get("again").stop()
				s.get("again").signal("KILL")
				s.get("again").end()
			}, nil}},
			// The server ends without one if it left something unread (RST).
			Leaves: "perhaps a connection in TIME_WAIT",
		},
		{
			Name:  "bound",
			Shows: "a socket that is bound and never listens",
			Plan:  "Binds a socket and leaves it at that.",
			Steps: []Step{{"A program binds a port, and neither listens nor connects.", func(s *stage) {
				s.actor("program")
				s.on(s.do("program", "bind", loopback))
			}, []netstate.State{netstate.StateBound}}},
			Cause: "bound", Verdict: "blocked", Draws: true,
			Why: `bind(2) alone takes the port. In TCP's own terms the socket is still CLOSED, so tools that list connections, and /proc/net/tcp, do not show it.`,
		},
		{
			Name:  "outgoing",
			Shows: "an outgoing connection took the port as its source port",
			Plan:  "Connects a client, and asks about the port that the system gave to the client.",
			Steps: []Step{
				{"A server listens somewhere.", func(s *stage) { s.serve("server", loopback) }, nil},
				{"A client connects. The system lends it a port for its own side.", func(s *stage) { s.on(s.connect("client", "--hold")) },
					nil}, // the port may have an older connection in TIME_WAIT too
			},
			Cause: "outgoing", Verdict: "blocked", Draws: true,
			Why: `Every outgoing connection needs a port on this side too, and the system takes one out of the ephemeral range. A server whose port is in that range finds it taken now and then, by whatever program happened to connect.`,
		},
		{
			Name:  "self-connect",
			Shows: "a client that is connected to itself",
			Plan:  "Connects a socket to the address that it is bound to. A client that tries again and again to reach a local server gets there by chance.",
			Steps: []Step{
				{"A client connects from a port to the same port, where nobody listens.", func(s *stage) {
					s.actor("client")
					address := s.do("client", "bind", loopback)
					s.do("client", "close", "0")
					s.on(s.do("client", "connect", address, address))
				}, []netstate.State{netstate.StateEstablished}},
			},
			Cause: "self-connect", Verdict: "blocked", Draws: true,
			Why: `TCP lets both sides begin at once (RFC 9293, section 3.5), and a socket that sends SYN to itself does just that. There is one socket, both ends of its own connection. The server that it was looking for can't start now, as its port is taken.`,
		},
		{
			Name:  "inherited",
			Shows: "a child that got the socket from a parent that is gone",
			Plan:  "Lets a server start another program without closing its socket for it, and kills the server.",
			Steps: []Step{
				{"A server listens, and starts cat, which gets the socket.", func(s *stage) {
					s.actor("server")
					s.on(s.do("server", "listen", loopback))
					s.do("server", "spawn", "0", "cat")
					s.get("server").heir = true
				}, []netstate.State{netstate.StateListen}},
				{"The server is killed, and cat goes on.", func(s *stage) {
					s.get("server").signal("KILL")
					s.get("server").end()
				},
					[]netstate.State{netstate.StateListen}},
			},
			Cause: "inherited", Verdict: "blocked", Draws: true,
			Why: `A socket is closed when the last process that has it closes it. A child gets every descriptor that is not marked close-on-exec, and cat knows nothing of this one. The port stays taken for as long as it waits for its input.`,
		},
	}
})
