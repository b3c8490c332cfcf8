package diagnose

import (
	"fmt"
	"slices"
)

var exclusive = Kind{
	ID:    "exclusive",
	Title: "A socket has it for itself alone (SO_EXCLUSIVEADDRUSE)",
	About: `On Windows a socket at the wildcard and one at a single address can have the same
port, if one user opens both. A server that does not want that sets
SO_EXCLUSIVEADDRUSE before bind: then every other bind of the port fails, with
WSAEACCES (10013) or WSAEADDRINUSE (10048), and SO_REUSEADDR does not get past.`,
	find: findExclusive,
}

func findExclusive(c *inquiry) []finding {
	certain := c.blocking(func(r row) bool { return r.holds() && isTrue(r.Options.Exclusive) })
	if len(certain) > 0 {
		return []finding{c.exclusiveFinding(certain, Certain)}
	}
	sure, maybe := c.exclusiveByOutcome()
	switch {
	case len(sure) > 0:
		return []finding{c.exclusiveFinding(sure, Certain)}
	case len(maybe) > 0:
		return []finding{c.exclusiveFinding(maybe, Likely)}
	}
	return nil
}

// exclusiveByOutcome are the rows whose way of refusing a bind that was tried
// shows the option: certainly, or with other explanations. Where the port is
// reserved, that explains the error too.
func (c *inquiry) exclusiveByOutcome() (sure, maybe []int) {
	if c.snapshot.Host.OS != "windows" || len(c.excludedRanges()) > 0 {
		return nil, nil
	}
	for i, r := range c.rows {
		for _, a := range c.tries(c.asked()) {
			if !r.blocks || !r.holds() || a.observed != "EACCES" || !slices.Contains(a.culprits, i) {
				continue
			}
			switch n := newWindowsSocket(c.snapshot, a.request); n.isExclusive(&r.Socket, access) {
			case yes:
				sure = append(sure, i)
			case unsure:
				maybe = append(maybe, i)
			}
		}
	}
	return slices.Compact(sure), slices.Compact(maybe)
}

func (c *inquiry) exclusiveFinding(rows []int, certainty Certainty) finding {
	f := finding{
		title: "The socket that is there has the port for itself alone (SO_EXCLUSIVEADDRUSE)",
		detail: fmt.Sprintf("The socket on %s was opened with SO_EXCLUSIVEADDRUSE: while it is there no other socket gets the port, not at another address and not with SO_REUSEADDR.",
			c.places(rows)),
		rows:      rows,
		certainty: certainty,
	}
	if certainty == Likely {
		f.title = "The socket that is there has the port for itself alone (SO_EXCLUSIVEADDRUSE), or is another user's"
		f.detail = fmt.Sprintf("The bind is refused with %s. So is one beside a socket with SO_EXCLUSIVEADDRUSE, or beside another user's socket at the wildcard: the one on %s is one of these.",
			c.system.errno("EACCES"), c.places(rows))
	}
	return f
}
