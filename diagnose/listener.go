package diagnose

import (
	"fmt"

	"portdoc/netstate"
)

var listener = Kind{
	ID:    "listener",
	Title: "A running process listens on it",
	About: `A server that listens has its port for as long as it runs: no second socket may
listen at the same address. SO_REUSEADDR is about what old connections leave
behind and does not change that; SO_REUSEPORT does, if both sockets set it and
belong to one user. A UDP socket that is bound counts as one that listens.
What to do: end the server the way it was started, or give the new one another
port.`,
	find: findListeners,
}

func findListeners(c *inquiry) []finding {
	holders := c.holders(func(r row, owner netstate.Owner, p *netstate.Process) bool {
		return r.Network != netstate.Unix && c.serves(r) && !isSuspended(p) && c.inheritance(r, owner) == nil
	})
	var findings []finding
	for _, h := range holders {
		findings = append(findings, finding{
			title:    h.name() + h.verb(" listens on it", " listen on it"),
			detail:   sentences(c.listenerFacts(h), c.workerFacts(h), c.optionFacts()),
			summary:  fmt.Sprintf("%s is taken: %s %s", c.label(), h.name(), c.listens(h)),
			rows:     c.belongings(h),
			pids:     h.pids(),
			remedies: c.end(h),
		})
	}
	return findings
}

// serves tells whether a row takes what is sent to the port, and is not the
// near end of something that goes out.
func (c *inquiry) serves(r row) bool {
	outgoing, _ := c.isOutgoing(r)
	return r.receives() && !outgoing
}

func (c *inquiry) listens(h *holder) string {
	if c.question.Network == netstate.UDP {
		return h.verb("receives on ", "receive on ") + c.places(h.rows)
	}
	return h.verb("listens on ", "listen on ") + c.places(h.rows)
}

// listenerFacts say who it is and for how long.
func (c *inquiry) listenerFacts(h *holder) string {
	p := h.lead()
	text := h.name() + " " + c.listens(h)
	if since := c.since(p); since != "" {
		text += "; it was started " + since + " ago"
		if p.User != "" {
			text += " by " + Printable(p.User)
		}
		if p.TTY != "" {
			text += " in the terminal " + Printable(p.TTY)
		}
	}
	return text + "."
}

func (c *inquiry) workerFacts(h *holder) string {
	if len(h.workers) == 0 {
		return ""
	}
	return fmt.Sprintf("The socket is shared by %d processes. End the first of them, pid %d: it would start ended workers (%s) again.",
		len(h.workers)+len(h.heads), h.lead().PID, few(pidWords(h.workers)))
}

// optionFacts say that no option of the new socket helps, where that is so.
func (c *inquiry) optionFacts() string {
	if c.question.Network == netstate.UDP && c.verdict == Conditional {
		return "A bind that sets what this socket has set succeeds beside it, and the two then compete for what arrives."
	}
	if c.question.Network != netstate.TCP || !isFailure(c.outcome(sharing{reuseAddr: true})) {
		return ""
	}
	return "SO_REUSEADDR does not get past a socket that listens."
}

func isFailure(outcome string) bool { return outcome != ResultOK && outcome != ResultUnknown }

// belongings are the blocking rows that go away with a listener: its own, its
// connections, and those that wait to be accepted by it.
func (c *inquiry) belongings(h *holder) []int {
	rows := h.rows
	mine := map[int]bool{}
	for _, i := range h.rows {
		mine[i] = true
	}
	return append(rows, c.blocking(func(r row) bool {
		return !r.holds() && (len(r.Owners) > 0 || r.queued()) && !r.selfConnected() && c.coveredBy(r, mine)
	})...)
}

// coveredBy tells whether one of the listening rows could have accepted r; nil
// stands for any.
func (c *inquiry) coveredBy(r row, among map[int]bool) bool {
	if outgoing, _ := c.isOutgoing(r); outgoing {
		return false
	}
	for _, i := range c.listening {
		l := c.rows[i]
		if (among == nil || among[i]) &&
			claimOf(l.Local.Addr(), isTrue(l.Options.V6Only)).meets(claimOf(r.Local.Addr(), true)) {
			return true
		}
	}
	return false
}

var bound = Kind{
	ID:    "bound",
	Title: "A socket is bound to it and does not listen",
	About: `A socket that has called bind and not listen has its port all the same. Most
tools do not show it: on Linux it is in neither /proc/net/tcp nor the listings
made from it. A server between bind and listen looks like this, and so does a
program that keeps a port in reserve, or that failed after bind and lives on.`,
	find: findBound,
}

func findBound(c *inquiry) []finding {
	holders := c.holders(func(r row, owner netstate.Owner, p *netstate.Process) bool {
		return r.State == netstate.StateBound && !isSuspended(p) && c.inheritance(r, owner) == nil
	})
	var findings []finding
	for _, h := range holders {
		findings = append(findings, finding{
			title: h.name() + h.verb(" is", " are") + " bound to it without listening",
			detail: sentences(fmt.Sprintf("%s %s a socket bound to %s that neither listens nor is connected.", h.name(), h.verb("has", "have"), c.places(h.rows)),
				"Nobody can connect to it, and most tools do not list it; the port is taken all the same."),
			summary:  fmt.Sprintf("%s is taken: %s %s bound to it without listening", c.label(), h.name(), h.verb("is", "are")),
			rows:     h.rows,
			pids:     h.pids(),
			remedies: c.end(h),
		})
	}
	if len(c.rows) == 0 && c.wasRefused() && c.hidesBound() {
		findings = append(findings, unseenBound(c))
	}
	return findings
}

// wasRefused tells whether the system answered that the address is taken.
func (c *inquiry) wasRefused() bool {
	for _, a := range c.tries(c.asked()) {
		if a.observed == "EADDRINUSE" {
			return true
		}
	}
	return false
}

func (c *inquiry) hidesBound() bool {
	for _, l := range c.snapshot.Limits {
		if about(l, c.question.Network) && (l.Kind == netstate.LimitBound || l.Kind == netstate.LimitSource) {
			return true
		}
	}
	return false
}

// unseenBound is the best explanation of a port that is taken by nothing that
// is listed, where bound sockets are not listed.
func unseenBound(c *inquiry) finding {
	return finding{
		title: "Something is bound to it without listening",
		detail: "The system refuses the bind, and no socket on the port is listed. Sockets that are bound and do not listen " +
			"are not listed here (see below), so that is the likely reason.",
		summary:   fmt.Sprintf("%s is taken, most likely by a socket that is bound without listening", c.label()),
		certainty: Likely,
	}
}
