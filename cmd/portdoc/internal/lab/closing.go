package lab

import (
	"sync"

	"portdoc/netstate"
)

// interrupted is the step in which Ctrl+C ends the server.
func interrupted(does string, states ...netstate.State) Step {
	return Step{does, func(s *stage) {
		s.get("server").signal("INT")
		s.get("server").end()
	}, states}
}

// closing are the experiments about what is left when a connection ends.
var closing = sync.OnceValue(func() []*Experiment {
	return []*Experiment{
		{
			Name:  "time-wait",
			Shows: "the side that closes first keeps the port for a minute",
			Plan:  "Connects a client to a server without SO_REUSEADDR, ends the server with Ctrl+C, and starts it again.",
			Steps: append(talk("client", "--reuseaddr=false"),
				Step{"Ctrl+C ends the server; the client notices and closes too.", func(s *stage) {
					s.get("server").signal("INT")
					s.get("server").end()
					s.get("client").end()
				}, []netstate.State{netstate.StateTimeWait}},
				Step{"The server is started again at once, and fails.", func(s *stage) { s.refused("restart", "--reuseaddr=false") },
					[]netstate.State{netstate.StateTimeWait}}),
			Cause: "time-wait", Verdict: "blocked", Draws: true, Leaves: "a connection in TIME_WAIT",
			Why: `Whoever closes first has sent the last ACK and can't know whether it arrived. So its kernel keeps the connection for 60 seconds on Linux (2MSL in RFC 9293), to answer a repeated FIN, and so that late segments do not get into a new connection with the same ports. No process has it: there is nothing to kill.`,
		},
		{
			Name:  "fin-wait",
			Shows: "the server has closed and its client has not",
			Plan:  "Connects a client that does not notice when a server closes, and ends the server with Ctrl+C.",
			Steps: []Step{
				{"A server listens.", func(s *stage) { s.serve("server", loopback, "--reuseaddr=false") },
					[]netstate.State{netstate.StateListen}},
				{"A client connects that only notices what its own writes tell it.", func(s *stage) { s.greet("client", "--notice=on-write") },
					[]netstate.State{netstate.StateListen, netstate.StateEstablished}},
				interrupted("Ctrl+C ends the server. The client does nothing.", netstate.StateFinWait2),
			},
			Cause: "fin-wait", Verdict: "blocked", Draws: true,
			Why: `The server's FIN has been acknowledged, and the client's own FIN is still to come. The kernel waits for it on behalf of a process that is gone, for as long as net.ipv4.tcp_fin_timeout says (60 seconds unless it was changed), and that keeps the port.`,
			After: []Step{{"The client ends: its FIN arrives, and TIME_WAIT begins.", func(s *stage) { s.get("client").leave() },
				nil}},
			Leaves: "a connection in TIME_WAIT",
		},
		{
			Name:  "close-wait",
			Shows: "the client has closed and the server never does",
			Plan:  "Lets a client of a forgetful server go, after the server has closed its listener.",
			Steps: []Step{
				{"A server listens, and takes a client.", func(s *stage) {
					s.actor("server")
					s.on(s.do("server", "listen", loopback))
					s.connect("client")
					s.do("server", "accept", "0")
				}, []netstate.State{netstate.StateListen, netstate.StateEstablished}},
				{"It closes its listener, and forgets the connection.", func(s *stage) { s.do("server", "close", "0") },
					[]netstate.State{netstate.StateEstablished}},
				{"The client's input ends: it closes its side.", func(s *stage) { s.get("client").closeInput() },
					[]netstate.State{netstate.StateCloseWait}},
			},
			Cause: "close-wait", Verdict: "blocked", Draws: true,
			Why: `The client's FIN has arrived, and a read would return 0 bytes. The server does not read and does not close, so the kernel waits for it, without any limit of time. CLOSE_WAIT that stays is a bug of the program that has it.`,
		},
		{
			Name:  "linger-rst",
			Shows: "SO_LINGER 0: closed with RST, and nothing is left",
			Plan:  "Connects a client to a server with SO_LINGER 0 and without SO_REUSEADDR, and ends the server with Ctrl+C.",
			Steps: append(talk("client", "--reuseaddr=false", "--linger=0"),
				Step{"Ctrl+C ends the server: the kernel sends RST instead of FIN.", func(s *stage) {
					s.get("server").signal("INT")
					s.get("server").end()
					s.get("client").end()
				}, nothing}),
			Verdict: "free", Draws: true,
			Why: `RST throws a connection away on both sides, so there is no TIME_WAIT and a restart works at once. The price: what was on its way is lost, and the client gets an error ("connection reset by peer") instead of an end. To get past TIME_WAIT, SO_REUSEADDR is the right way.`,
		},
		{
			Name:  "reuseaddr",
			Shows: "SO_REUSEADDR: the old server and the new one need it",
			Plan:  "Leaves TIME_WAIT behind twice, once by a server with SO_REUSEADDR and once by one without, and starts a new server each time, without and with it.",
			Steps: []Step{
				left("A server with SO_REUSEADDR is ended with Ctrl+C while it has a client.", "--reuseaddr=true"),
				{"Old with, new without: fails.", func(s *stage) { s.refused("restart", "--reuseaddr=false") },
					[]netstate.State{netstate.StateTimeWait}},
				{"Old with, new with: starts, while TIME_WAIT is still there.", func(s *stage) { s.serve("restart", s.address, "--reuseaddr=true") },
					[]netstate.State{netstate.StateTimeWait, netstate.StateListen}},
				left("On another port, a server without SO_REUSEADDR is ended with Ctrl+C while it has a client.", "--reuseaddr=false"),
				{"Old without, new without: fails.", func(s *stage) { s.refused("restart", "--reuseaddr=false") },
					[]netstate.State{netstate.StateTimeWait}},
				{"Old without, new with: fails all the same.", func(s *stage) { s.refused("restart", "--reuseaddr=true") },
					[]netstate.State{netstate.StateTimeWait}},
			},
			Cause: "time-wait", Verdict: "blocked", Draws: true, Leaves: "two connections in TIME_WAIT",
			Why: `Linux shares a port between two sockets only if both have SO_REUSEADDR and neither listens at that moment. TIME_WAIT remembers whether its server had it. So the option helps from the next restart on: the server that is to leave TIME_WAIT behind has to have it too.`,
		},
	}
})

// left is a step that leaves TIME_WAIT on a new port.
func left(does, reuseaddr string) Step {
	return Step{does, func(s *stage) {
		s.serve("server", loopback, reuseaddr)
		s.greet("client")
		s.get("server").signal("INT")
		s.get("server").end()
		s.get("client").end()
	}, []netstate.State{netstate.StateTimeWait}}
}

// refused starts a server on the same address, which must fail.
func (s *stage) refused(name string, flags ...string) {
	server := s.start(name, append([]string{"serve", "--addr", s.address}, flags...)...)
	server.fail("address already in use")
}
