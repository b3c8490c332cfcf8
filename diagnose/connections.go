package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"portdoc/netstate"
)

var connection = Kind{
	ID:    "connection",
	Title: "Connections of a server that no longer listens",
	About: `Connections outlive the listener that accepted them: a server that has closed its
listening socket, or a child that it started for a client, goes on to have the
server's port. A plain bind then fails. With SO_REUSEADDR it succeeds, on Linux
only if the old server had set that too.`,
	find: findConnections,
}

func findConnections(c *inquiry) []finding {
	holders := c.holders(func(r row, _ netstate.Owner, p *netstate.Process) bool {
		outgoing, _ := c.isOutgoing(r)
		return r.isOpen() && !outgoing && !r.selfConnected() && !isSuspended(p) && !c.coveredBy(r, nil)
	})
	var findings []finding
	for _, h := range holders {
		findings = append(findings, finding{
			title: fmt.Sprintf("%s still %s %s that the server accepted", h.name(), h.verb("has", "have"), aCount(len(h.rows), "connection")),
			detail: sentences(
				fmt.Sprintf("Nobody listens any more, and %s still %s %s to %s.", h.name(), h.verb("has", "have"), aCount(len(h.rows), "accepted connection"), c.peers(h.rows)),
				fmt.Sprintf("%s the port until %s closed.", pick(len(h.rows), "It keeps", "They keep"), pick(len(h.rows), "it is", "they are")),
				c.pastLeftovers()),
			summary:  fmt.Sprintf("%s is taken: %s still %s %s on it, though nobody listens", c.label(), h.name(), h.verb("has", "have"), aCount(len(h.rows), "connection")),
			rows:     h.rows,
			pids:     h.pids(),
			remedies: append(c.shareNow(), c.end(h)...),
		})
	}
	return findings
}

// isOpen tells whether the socket is an end of a TCP connection that a process
// has open, and the other end is not known to be closed.
func (r row) isOpen() bool {
	if r.Network != netstate.TCP || r.leftover() || r.queued() {
		return false
	}
	switch r.State {
	case netstate.StateEstablished, netstate.StateSynSent, netstate.StateFinWait1, netstate.StateFinWait2:
		return true
	}
	return false
}

// shareNow is the remedy of SO_REUSEADDR, where a bind with it succeeds.
func (c *inquiry) shareNow() []Remedy {
	if c.asked().reuseAddr || c.outcome(sharing{reuseAddr: true}) != ResultOK {
		return nil
	}
	return []Remedy{{
		ID:     "set-reuseaddr",
		Title:  "Set SO_REUSEADDR in the server before bind: it helps at once",
		Effect: "old connections no longer stop a restart",
	}}
}

// peers says to whom the connections of the rows go.
func (c *inquiry) peers(rows []int) string {
	var peers []string
	for _, i := range rows {
		peers = append(peers, Printable(c.rows[i].Remote.String()))
	}
	return few(peers)
}

var closeWait = Kind{
	ID:    "close-wait",
	Title: "The other side has closed and the holder never does (CLOSE_WAIT)",
	About: `When the peer closes a connection, the program that has it is told (it reads end
of file) and is expected to close it too. Until it does the connection stays
in CLOSE_WAIT, without any time limit. Such sockets are nearly always a bug:
a connection that the program has forgotten.`,
	find: findCloseWait,
}

func findCloseWait(c *inquiry) []finding {
	holders := c.holders(func(r row, owner netstate.Owner, p *netstate.Process) bool {
		return r.State == netstate.StateCloseWait && !isSuspended(p) && !c.listensFor(owner.PID, r)
	})
	var findings []finding
	for _, h := range holders {
		connections := aCount(len(h.rows), "connection")
		findings = append(findings, finding{
			title: fmt.Sprintf("%s never %s %s that the other side has closed", h.name(), h.verb("closes", "close"), connections),
			detail: sentences(fmt.Sprintf("The other side (%s) has closed, and %s %s not (CLOSE_WAIT).", c.peers(h.rows), h.name(), h.verb("has", "have")),
				"This has no time limit: waiting does not help.", c.pastLeftovers()),
			summary:  fmt.Sprintf("%s is taken: %s %s %s open that the other side has closed", c.label(), h.name(), h.verb("keeps", "keep"), connections),
			rows:     h.rows,
			pids:     h.pids(),
			remedies: append(c.shareNow(), c.end(h)...),
		})
	}
	return findings
}

// listensFor tells whether a process also has the listener that accepted r.
func (c *inquiry) listensFor(pid int, r row) bool {
	mine := map[int]bool{}
	for _, i := range c.listening {
		mine[i] = owns(c.rows[i], pid)
	}
	return c.coveredBy(r, mine)
}

var outgoing = Kind{
	ID:    "outgoing",
	Title: "An outgoing connection took it as its source port",
	About: `Every outgoing connection needs a port of its own on this side. The system lends
one out of the ephemeral range (on Linux net.ipv4.ip_local_port_range), and
while the connection lasts no server can bind it. A server on a port inside
that range therefore fails now and then. Give it a port outside the range, or
reserve its port so that the system does not lend it.`,
	find: findOutgoing,
}

func findOutgoing(c *inquiry) []finding {
	holders := c.holders(func(r row, _ netstate.Owner, p *netstate.Process) bool {
		out, _ := c.isOutgoing(r)
		return out && (r.isOpen() || r.Network == netstate.UDP) && !r.selfConnected() && !isSuspended(p)
	})
	var findings []finding
	for _, h := range holders {
		certainty := Certain
		for _, i := range h.rows {
			if _, sure := c.isOutgoing(c.rows[i]); sure == Likely {
				certainty = Likely
			}
		}
		what := "a connection"
		if c.question.Network == netstate.UDP {
			what = "a socket"
		}
		findings = append(findings, finding{
			title:     fmt.Sprintf("%s %s it as the source port of %s to %s", h.name(), h.verb("uses", "use"), what, c.peers(h.rows)),
			detail:    sentences(fmt.Sprintf("%s %s %s to %s, and this is its own port on this side.", h.name(), h.verb("has", "have"), what, c.peers(h.rows)), c.rangeFacts()),
			summary:   fmt.Sprintf("%s is taken: %s %s it for an outgoing connection to %s", c.label(), h.name(), h.verb("uses", "use"), c.peers(h.rows)),
			rows:      h.rows,
			pids:      h.pids(),
			certainty: certainty,
			remedies:  slices.Concat(c.avoidRange(), c.end(h)),
		})
	}
	return findings
}

// isLent tells whether the port is in the range that the system lends to
// outgoing connections, and not reserved.
func (c *inquiry) isLent() bool {
	policy, port := c.snapshot.Policy, c.question.Port
	return policy.EphemeralPorts != nil && policy.EphemeralPorts.Contains(port) &&
		!slices.ContainsFunc(policy.ReservedPorts, func(r netstate.PortRange) bool { return r.Contains(port) })
}

func (c *inquiry) rangeFacts() string {
	lent := c.snapshot.Policy.EphemeralPorts
	switch {
	case lent == nil:
		return ""
	case c.isLent():
		return fmt.Sprintf("The system lends the ports %d to %d to outgoing connections (the ephemeral range), and %d is one of them.",
			lent.First, lent.Last, c.question.Port)
	}
	return fmt.Sprintf("The system lends the ports %d to %d to outgoing connections; %d is not one of them now, so the program chose it by itself or the range was another one.",
		lent.First, lent.Last, c.question.Port)
}

// avoidRange keeps a server's port out of the ephemeral range.
func (c *inquiry) avoidRange() []Remedy {
	if !c.isLent() {
		return nil
	}
	lent := c.snapshot.Policy.EphemeralPorts
	return append([]Remedy{{
		ID:     "choose-port",
		Title:  fmt.Sprintf("Give the server a port below %d", lent.First),
		Effect: "no outgoing connection is ever lent it",
	}}, c.system.reservePort(c)...)
}

// reservation is the list of reserved ports with the asked one in it. The
// setting is replaced as a whole.
func (c *inquiry) reservation() string {
	ranges := append(slices.Clone(c.snapshot.Policy.ReservedPorts), netstate.PortRange{First: c.question.Port, Last: c.question.Port})
	slices.SortFunc(ranges, func(a, b netstate.PortRange) int { return int(a.First) - int(b.First) })
	var words []string
	for _, r := range ranges {
		word := fmt.Sprint(r.First)
		if r.Last != r.First {
			word = fmt.Sprintf("%d-%d", r.First, r.Last)
		}
		words = append(words, word)
	}
	return strings.Join(words, ",")
}

var selfConnect = Kind{
	ID:    "self-connect",
	Title: "A client is connected to itself on it",
	About: `A client that tries again and again to connect to a port of this machine on which
nobody listens can be lent that very port as its source port. TCP then
connects the socket with itself, the client believes that the server is there,
and the server can't start. It only happens to ports in the ephemeral range.`,
	find: findSelfConnect,
}

func findSelfConnect(c *inquiry) []finding {
	holders := c.holders(func(r row, _ netstate.Owner, p *netstate.Process) bool {
		return r.selfConnected() && !isSuspended(p)
	})
	var findings []finding
	for _, h := range holders {
		findings = append(findings, finding{
			title: h.name() + h.verb(" is", " are") + " connected to itself",
			detail: sentences(fmt.Sprintf("%s tried to connect to %s when nobody listened there, was lent the same port as its source port, and so reached itself.",
				h.name(), c.places(h.rows)), c.rangeFacts()),
			summary:  fmt.Sprintf("%s is taken: %s %s connected to itself on it", c.label(), h.name(), h.verb("is", "are")),
			rows:     h.rows,
			pids:     h.pids(),
			remedies: slices.Concat(c.end(h), c.avoidRange()),
		})
	}
	return findings
}

// selfConnected tells whether both ends of the connection are this socket.
func (r row) selfConnected() bool {
	return r.Network == netstate.TCP && r.Remote.IsValid() && r.Local == r.Remote
}

// isOutgoing tells whether the socket is the near end of something that this
// machine started, and how sure that is. Where the system does not say how a
// socket got its port, the ephemeral range is the evidence.
func (c *inquiry) isOutgoing(r row) (bool, Certainty) {
	switch {
	case !r.Remote.IsValid() || r.receivesFromAll():
		return false, Certain
	case r.Origin == netstate.OriginAccept:
		return false, Certain
	case r.Origin != "" && r.Network == netstate.TCP, r.State == netstate.StateSynSent:
		return true, Certain
	}
	lent := c.snapshot.Policy.EphemeralPorts
	return lent != nil && lent.Contains(r.Local.Port()) && !lent.Contains(r.Remote.Port()), Likely
}

// receivesFromAll tells whether the socket has no peer.
func (r row) receivesFromAll() bool {
	return r.State == netstate.StateListen || r.State == netstate.StateUnconnected
}
