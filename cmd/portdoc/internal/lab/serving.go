package lab

import (
	"sync"

	"portdoc/netstate"
)

// talk begins most experiments.
func talk(client string, flags ...string) []Step {
	return []Step{
		{"A server listens.", func(s *stage) { s.serve("server", loopback, flags...) },
			[]netstate.State{netstate.StateListen}},
		{"A client connects, says hello, and hears it again.", func(s *stage) { s.greet(client) },
			[]netstate.State{netstate.StateListen, netstate.StateEstablished}},
	}
}

// serving are the experiments about a server and its clients.
var serving = sync.OnceValue(func() []*Experiment {
	return []*Experiment{
		{
			Name:  "echo",
			Shows: "a server and a client that do everything right",
			Plan:  "Starts an echo server and a client, lets the client say something, and ends the client.",
			Steps: append(talk("client"),
				Step{"The client's input ends: it closes its side, and the server closes the other.", func(s *stage) {
					s.get("client").leave()
					s.get("server").line()
				}, []netstate.State{netstate.StateListen}}),
			Cause: "listener", Verdict: "blocked", Draws: true, everywhere: true,
			Why: `The server goes on to listen, and that alone takes the port. Nothing is left of the connection on the server's side: the client closed first, so it is the client's side that keeps TIME_WAIT, and the client's port is not the one you asked for.`,
		},
		{
			Name:  "many-clients",
			Shows: "several clients at once; one that leaves disturbs nobody",
			Plan:  "Starts a server and three clients, lets one of them leave, and talks with the others.",
			Steps: append(talk("first"),
				Step{"Two more clients come.", func(s *stage) {
					s.greet("second")
					s.greet("third")
				}, []netstate.State{netstate.StateListen, netstate.StateEstablished}},
				Step{"The second one leaves.", func(s *stage) {
					s.get("second").leave()
					s.get("server").line()
				}, []netstate.State{netstate.StateListen, netstate.StateEstablished}},
				Step{"The others still get their echo.", func(s *stage) {
					s.echo("first", "one")
					s.echo("third", "three")
				}, []netstate.State{netstate.StateListen, netstate.StateEstablished}}),
			Cause: "listener", Verdict: "blocked", Draws: true, everywhere: true,
			Why: `Each client has a connection of its own, and all of them have the server's port on this side. They are told apart by the address and port of the client. The listener is a socket apart: it is what a new server meets first.`,
		},
		{
			Name:  "server-exits-first",
			Shows: "how a client learns that the server has ended",
			Plan:  "Connects two clients, ends the server with Ctrl+C, and sees when each of them notices. One waits for the server's end, the other only writes.",
			Steps: append(talk("waiting", "--reuseaddr=false"),
				Step{"Another client comes, which is told of an end only when it writes.", func(s *stage) { s.greet("writing", "--notice=on-write") },
					[]netstate.State{netstate.StateListen, netstate.StateEstablished}},
				Step{"Ctrl+C ends the server: the kernel closes its sockets. The waiting client reads the end and goes; the other has no idea.", func(s *stage) {
					s.get("server").signal("INT")
					s.get("server").end()
					s.get("waiting").end()
				}, []netstate.State{netstate.StateTimeWait, netstate.StateFinWait2}},
				Step{"The other writes: that succeeds, and the answer is a RST. It writes again: broken pipe.", func(s *stage) {
					s.get("writing").tell("are you there")
					s.await(s.target(&Experiment{}), []netstate.State{netstate.StateTimeWait})
					s.get("writing").tell("hello?")
					s.get("writing").end()
				}, []netstate.State{netstate.StateTimeWait}}),
			Cause: "time-wait", Verdict: "blocked", Draws: true, Leaves: "a connection in TIME_WAIT",
			Why: `The server closed first, so its side of the connection to the waiting client is in TIME_WAIT. Of the other connection nothing is left: its client never closed but wrote, and the kernel, which has no program for that port any more, answered with RST. That ends a connection on both sides at once.`,
		},
		{
			Name:  "client-exits-first",
			Shows: "the spin: a server that ignores what a read returns",
			Plan:  "Connects a client to a server with --on-eof=ignore, and lets the client leave.",
			Steps: append(talk("client", "--on-eof=ignore", "--max-spins=20000000"),
				Step{"The client leaves: its side is closed, and the server reads again and again.", func(s *stage) {
					s.get("client").closeInput()
					s.get("server").line()
				}, []netstate.State{netstate.StateListen, netstate.StateCloseWait}}),
			Cause: "listener", Verdict: "blocked", Draws: true,
			Why: `At the end of a connection every read returns at once. A loop that ignores the result reads again, as fast as the processor can, and never closes: the connection stays in CLOSE_WAIT, for as long as the server runs. Only --max-spins would end it here.`,
			After: []Step{{"Ctrl+C ends the server, which was busy all the time.", func(s *stage) {
				server := s.get("server")
				server.signal("INT")
				server.end()
				if server.busy() == 0 {
					surprised("the server should have used the processor")
				}
				s.get("client").end()
			}, nil}},
			Leaves: "perhaps a connection in TIME_WAIT",
		},
		{
			Name:  "eof-minus-one",
			Shows: "the spin: a server that waits for -1 and gets 0",
			Plan:  "Connects a client to a server with --on-eof=errors-only, lets the client leave, and lets the server read in vain 100,000 times.",
			Steps: append(talk("client", "--on-eof=errors-only", "--max-spins=100000"),
				Step{"The client leaves, and the server does not understand: it reads again and again.", func(s *stage) {
					s.get("client").closeInput()
					s.get("server").line()
				}, nil},
				Step{"After 100,000 reads, --max-spins ends it.", func(s *stage) {
					s.get("server").line()
					s.get("client").end()
				}, []netstate.State{netstate.StateListen}}),
			Cause: "listener", Verdict: "blocked", Draws: true, everywhere: true,
			Why: `read(2) returns -1 for an error, and the end of a connection is none: it returns 0. A loop that only ends with -1 goes round at full speed, for as long as the program runs. This one was ended by --max-spins.`,
		},
		{
			Name:  "eof-zero",
			Shows: "a server that takes 0 bytes for the end, as it should",
			Plan:  "Connects a client to a server whose loop ends when a read returns 0 bytes, and lets the client go.",
			Steps: append(talk("client", "--on-eof=exit"),
				Step{"The client leaves: the server's read returns 0, and it closes.", func(s *stage) {
					s.get("client").leave()
					s.get("server").line()
				}, []netstate.State{netstate.StateListen}}),
			Cause: "listener", Verdict: "blocked", Draws: true, everywhere: true,
			Why: `A read that returns 0 bytes is how a program is told that the other side has closed. The server closed its side too (LAST_ACK, for a moment), and its side of the connection is gone. The listener still takes the port.`,
		},
	}
})
