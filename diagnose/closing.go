package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"portdoc/netstate"
)

var timeWait = Kind{
	ID:    "time-wait",
	Title: "Connections that this side closed first (TIME_WAIT)",
	About: `The side of a TCP connection that closes first remembers it for a while (60
seconds on Linux), so that packets which are still on their way can't reach a
new connection. No process has these sockets any more. A server gets past
them with SO_REUSEADDR, set before bind. Linux wants it on both sockets: on
the new one, and on the one that left the connection behind. So it does not
help a server that has just been changed to set it, this one time. macOS and BSD
want it on the new one only. Windows does without: there SO_REUSEADDR is for
something else, and old connections are seldom in the way.`,
	find: findTimeWait,
}

func findTimeWait(c *inquiry) []finding {
	rows := c.blocking(func(r row) bool { return r.State == netstate.StateTimeWait })
	if len(rows) == 0 {
		return nil
	}
	clears, most, left := c.lastTimer(rows), c.longestTimeWait(), count(len(rows), "connection")
	return []finding{{
		title: fmt.Sprintf("%s that this side closed first (TIME_WAIT)", left),
		detail: sentences(
			fmt.Sprintf("%s over and in TIME_WAIT; no process has %s any more. The side that closes first keeps it, so that late packets can't reach a new connection.",
				pick(len(rows), "A connection is", left+" are"), pick(len(rows), "it", "them")),
			c.lastEnds(rows, most), c.pastLeftovers()),
		summary:  c.leftoverSummary(aCount(len(rows), "connection")+" closed on this side", clears, most),
		rows:     rows,
		clears:   clears,
		remedies: c.waitOrShare(clears, most),
	}}
}

// lastTimer is when the last of the rows goes away, 0 where that is not known.
func (c *inquiry) lastTimer(rows []int) time.Duration {
	var last time.Duration
	for _, i := range rows {
		t := c.rows[i].Timer
		if t == nil || t.Kind != netstate.TimerTimeWait {
			return 0
		}
		last = max(last, time.Duration(t.RemainingMilliseconds)*time.Millisecond)
	}
	return last
}

// longestTimeWait is for how long the system keeps TIME_WAIT, 0 where that is
// not known.
func (c *inquiry) longestTimeWait() time.Duration {
	if length := c.snapshot.Policy.TimeWait; length != nil {
		return time.Duration(*length) * time.Millisecond
	}
	return 0
}

// lastEnds says when the last of the rows goes away, or after how long at most.
func (c *inquiry) lastEnds(rows []int, most time.Duration) string {
	clears := c.lastTimer(rows)
	switch {
	case clears == 0 && most > 0:
		return fmt.Sprintf("The system keeps it for %s at most; how many are left it does not say.", span(most))
	case clears == 0:
		return ""
	case len(rows) == 1:
		return "It ends in " + span(clears) + "."
	}
	return "The last of them ends in " + span(clears) + "."
}

// leftoverSummary is the report's sentence where leftovers are what is in the
// way.
func (c *inquiry) leftoverSummary(by string, clears, most time.Duration) string {
	taken := "is taken by " + by
	switch {
	case clears > 0:
		taken = fmt.Sprintf("is taken for %s by %s", spanMore(clears), by)
	case most > 0:
		taken = fmt.Sprintf("is taken for at most %s by %s", spanMore(most), by)
	}
	if c.verdict == Conditional && c.outcome(sharing{reuseAddr: true}) == ResultOK {
		return fmt.Sprintf("%s %s; SO_REUSEADDR gets past that", c.label(), taken)
	}
	return c.label() + " " + taken
}

// onlyLeftovers tells whether all that is in the way are connections and what
// is left of them: a bind with SO_REUSEADDR then tells whether the sockets
// that left them had it.
func (c *inquiry) onlyLeftovers() bool {
	return len(c.blocking(row.holds)) == 0
}

// pastLeftovers says whether SO_REUSEADDR gets past old connections, and how
// that is known.
func (c *inquiry) pastLeftovers() string {
	set := sharing{reuseAddr: true}
	if !c.onlyLeftovers() || c.failure() != "EADDRINUSE" {
		return ""
	}
	switch outcome := c.outcome(set); {
	case c.system.facts().reuse == reuseSteals:
		return "SO_REUSEADDR is no way past it: on Windows that lets two programs have one port."
	case outcome == ResultUnknown:
		return "Whether SO_REUSEADDR gets past was not tried" + c.reuseFacts(": Linux wants it on both the new socket and the one that left the old connection") + "."
	case outcome == ResultOK && c.wasTried(set):
		return "A bind with SO_REUSEADDR succeeds: it was tried just now."
	case outcome == ResultOK:
		return "By the rules a bind with SO_REUSEADDR succeeds; it was not tried."
	case c.wasTried(set):
		return "A bind with SO_REUSEADDR was tried and fails too" + c.reuseFacts(": the server that left this had not set it, and Linux wants it on both sides") + "."
	}
	return "By the rules SO_REUSEADDR does not get past" + c.reuseFacts(": the server that left this had not set it, and Linux wants it on both sides") + "."
}

// reuseFacts is a text that is true where both sockets must set SO_REUSEADDR.
func (c *inquiry) reuseFacts(text string) string {
	if c.system.facts().reuse == reuseBoth {
		return text
	}
	return ""
}

// waitOrShare are the remedies for what goes away by itself.
func (c *inquiry) waitOrShare(clears, most time.Duration) []Remedy {
	share := Remedy{ID: "set-reuseaddr", Effect: "old connections no longer stop a restart"}
	wait := c.wait(clears, most)
	switch outcome := c.outcome(sharing{reuseAddr: true}); {
	case c.asked().reuseAddr || !c.onlyLeftovers(), c.system.facts().reuse == reuseSteals:
		return []Remedy{wait}
	case outcome == ResultOK:
		share.Title = "Set SO_REUSEADDR in the server before bind: it helps at once"
		return []Remedy{share, wait}
	case isFailure(outcome) && c.system.facts().reuse != reuseBoth:
		return []Remedy{wait} // The option gets past nothing here.
	case isFailure(outcome):
		share.Title = "So that it never happens again, set SO_REUSEADDR in the server before bind; it helps from the next restart on"
	default:
		share.Title = "Set SO_REUSEADDR in the server before bind" + c.reuseFacts("; it may help only from the next restart on")
	}
	return []Remedy{wait, share}
}

func (c *inquiry) wait(clears, most time.Duration) Remedy {
	title, limit := "Wait until it is over", 5*time.Minute
	switch {
	case clears > 0:
		title, limit = "Wait "+span(clears), roundUp(clears+5*time.Second, 30*time.Second)
	case most > 0:
		title, limit = "Wait, at most "+span(most), roundUp(most+5*time.Second, 30*time.Second)
	}
	return Remedy{
		ID:       "wait",
		Title:    title,
		Commands: []string{fmt.Sprintf("portdoc check %s --wait %ds", c.typed(), int(limit.Seconds()))},
		Effect:   "returns as soon as the address is free",
	}
}

func roundUp(d, step time.Duration) time.Duration { return (d + step - 1) / step * step }

var finWait = Kind{
	ID:    "fin-wait",
	Title: "Closed here, and the other side has not closed yet (FIN_WAIT)",
	About: `After close the connection waits for the other side to close as well. No process
on this side has it any more. Linux gives up on FIN_WAIT2 after
net.ipv4.tcp_fin_timeout seconds (60), and on FIN_WAIT1, where the other side
does not answer at all, after a number of retries. It ends at once when the
other side closes.`,
	find: findFinWait,
}

func findFinWait(c *inquiry) []finding {
	rows := c.blocking(func(r row) bool {
		return r.leftover() && (r.State == netstate.StateFinWait1 || r.State == netstate.StateFinWait2)
	})
	if len(rows) == 0 {
		return nil
	}
	clears, connections := c.lastTimer(rows), aCount(len(rows), "connection")
	return []finding{{
		title: capital(connections) + " that this side closed and the other side did not (FIN_WAIT)",
		detail: sentences(
			fmt.Sprintf("This side has closed %s, and waits for the other side, %s, to close too. No process has this end any more.",
				connections, c.peers(rows)),
			c.otherEnd(rows), c.lastEnds(rows, 0), c.givesUp(clears), c.pastLeftovers()),
		summary:  c.leftoverSummary(connections+" that the other side has not closed", clears, 0),
		rows:     rows,
		clears:   clears,
		remedies: c.waitOrShare(clears, 0),
	}}
}

// otherEnd names the programs at the other end that are on this machine. They
// explain, and are never to blame.
func (c *inquiry) otherEnd(rows []int) string {
	ends := map[connectionKey]bool{}
	for _, i := range rows {
		ends[keyFrom(c.rows[i].Remote, c.rows[i].Local)] = true
	}
	var names []string
	for _, peer := range c.snapshot.Peers {
		if ends[keyFrom(peer.Local, peer.Remote)] && len(peer.Owners) > 0 {
			names = append(names, c.ownersOf(row{Socket: peer}))
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return fmt.Sprintf("At the other end %s, on this machine, %s the connection open.", few(names), pick(len(names), "keeps", "keep"))
}

// connectionKey is a TCP connection, seen from one end.
type connectionKey struct{ local, remote netip.AddrPort }

func keyFrom(local, remote netip.AddrPort) connectionKey {
	return connectionKey{unmapped(local), unmapped(remote)}
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// givesUp says how a state ends that has no known end.
func (c *inquiry) givesUp(clears time.Duration) string {
	if clears > 0 {
		return ""
	}
	return "The kernel repeats its last packet until the other side answers, and gives up after some minutes."
}

var lastAck = Kind{
	ID:    "last-ack",
	Title: "The last step of a close: the peer's acknowledgement is missing (LAST_ACK)",
	About: `The other side closed first, then this side; what is missing is the other side's
acknowledgement. It takes a moment, unless the other side is gone or cut off:
then the kernel repeats its packet and gives up after some minutes.`,
	find: func(c *inquiry) []finding {
		return c.lastSteps(netstate.StateLastAck, "whose close the other side has not acknowledged", "Both sides have closed, the other side first, and its last acknowledgement is missing (LAST_ACK).")
	},
}

var closing = Kind{
	ID:    "closing",
	Title: "The last steps of a close: both sides closed at once (CLOSING)",
	About: `Both sides closed at the same time, and each waits for the other's
acknowledgement. It takes a moment, unless the other side is gone or cut off:
then the kernel repeats its packet and gives up after some minutes.`,
	find: func(c *inquiry) []finding {
		return c.lastSteps(netstate.StateClosing, "that both sides closed at once", "Both sides closed at the same time, and the other side's acknowledgement is missing (CLOSING).")
	},
}

func (c *inquiry) lastSteps(state netstate.State, which, detail string) []finding {
	rows := c.blocking(func(r row) bool { return r.State == state })
	if len(rows) == 0 {
		return nil
	}
	connections := aCount(len(rows), "connection") + " " + which
	return []finding{{
		title:    capital(connections),
		detail:   sentences(detail, c.givesUp(0), c.pastLeftovers()),
		summary:  c.leftoverSummary(connections, 0, 0),
		rows:     rows,
		remedies: c.waitOrShare(0, 0),
	}}
}
