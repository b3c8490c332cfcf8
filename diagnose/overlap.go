package diagnose

import (
	"fmt"
	"net/netip"
	"slices"

	"portdoc/netstate"
)

var dualStack = Kind{
	ID:    "dual-stack",
	Title: "An IPv6 wildcard socket also has IPv4",
	About: `A socket bound to the IPv6 wildcard [::] also receives IPv4, unless it sets
IPV6_V6ONLY. On Linux it then excludes every IPv4 socket on the port, and the
other way round. Go, Node and Java listen like that unless told otherwise, and
a listing of IPv4 sockets does not show it. A program that opens both 0.0.0.0
and [::] must set IPV6_V6ONLY on the second, or open [::] alone. macOS and
FreeBSD let the two wildcards live side by side; OpenBSD has no such sockets.`,
	find: findDualStack,
}

func findDualStack(c *inquiry) []finding {
	return c.explain(explanation{
		match: func(a attempt, r row) bool { return isIPv4(a.request.Address) && isWildcard6(r) },
		say: func(taken overlap) finding {
			return finding{
				title: "An IPv6 socket has the IPv4 addresses too",
				detail: fmt.Sprintf("The socket on %s is an IPv6 socket, and without IPV6_V6ONLY it has every IPv4 address too: %s can't be bound beside it. A list of IPv4 sockets does not show it.",
					taken.holders, taken.asked),
				remedies: []Remedy{{
					ID:     "set-v6only",
					Title:  "If the two are to run side by side, set IPV6_V6ONLY on the IPv6 socket (ipv6only=on in nginx, ipv6Only in Node)",
					Effect: "IPv4 is free for the other program",
				}},
			}
		},
	}, explanation{
		match: func(a attempt, r row) bool {
			return c.question.Address == netip.IPv6Unspecified() && !a.request.V6Only && isIPv4(r.address())
		},
		say: func(taken overlap) finding {
			return finding{
				title: "[::] means the IPv4 addresses too, and IPv4 has the port",
				detail: fmt.Sprintf("A socket on %s without IPV6_V6ONLY has every IPv4 address too, and %s %s taken. No IPv6 address is.",
					taken.asked, taken.holders, taken.are),
				remedies: []Remedy{{
					ID:     "set-v6only",
					Title:  "If the two are to run side by side, set IPV6_V6ONLY on the new socket",
					Effect: "it leaves IPv4 to the other program",
				}},
			}
		},
	})
}

var wildcardOverlap = Kind{
	ID:    "wildcard-overlap",
	Title: "The wildcard and a specific address exclude each other",
	About: `The wildcard (0.0.0.0 or [::]) means every address of the machine. It can't be
bound while another socket has one of them on the same port, and no single
address can while a socket has the wildcard. Two sockets at different single
addresses get on with each other. On Windows so do the wildcard and a single
address, if one user opens both.`,
	find: findWildcardOverlap,
}

func findWildcardOverlap(c *inquiry) []finding {
	if c.system.facts().addressesShare {
		return nil // What keeps them apart is another cause.
	}
	return c.explain(explanation{
		match: func(a attempt, r row) bool {
			return sameFamily(a, r) && a.request.Address.IsUnspecified() && !r.address().IsUnspecified()
		},
		say: func(taken overlap) finding {
			return finding{
				title: fmt.Sprintf("%s means every address, and one of them is taken", taken.asked),
				detail: fmt.Sprintf("%s means every address of this machine, and %s %s taken: the two exclude each other. A single other address can still be bound.",
					taken.asked, taken.holders, taken.are),
				remedies: []Remedy{{
					ID:     "choose-address",
					Title:  "If the two are to run side by side, bind a single other address instead of the wildcard",
					Effect: "each has an address of its own",
				}},
			}
		},
	}, explanation{
		match: func(a attempt, r row) bool {
			return sameFamily(a, r) && !a.request.Address.IsUnspecified() && r.address().IsUnspecified()
		},
		say: func(taken overlap) finding {
			return finding{
				title: fmt.Sprintf("The wildcard has every address, %s among them", taken.asked),
				detail: fmt.Sprintf("The socket on %s has every address of this machine, %s among them: the two exclude each other.",
					taken.holders, taken.asked),
			}
		},
	})
}

func sameFamily(a attempt, r row) bool { return isIPv4(a.request.Address) == isIPv4(r.address()) }

// explanation is a relation between the address of a bind and that of a socket
// in its way, and what to say of it.
type explanation struct {
	match func(attempt, row) bool
	say   func(overlap) finding
}

// overlap is what an explanation speaks about: addresses in words.
type overlap struct{ asked, holders, are string }

// explain returns the first explanation that holds.
func (c *inquiry) explain(explanations ...explanation) []finding {
	for _, e := range explanations {
		if f, ok := c.explainBy(e); ok {
			return []finding{f}
		}
	}
	return nil
}

// explainBy looks for attempts that fail only because of sockets that match.
// Ends of connections don't count: they go away by themselves or with their
// listener.
func (c *inquiry) explainBy(e explanation) (finding, bool) {
	var addresses []string
	var rows []int
	certainty := Certain
	for _, a := range c.tries(c.asked()) {
		holders := slices.DeleteFunc(slices.Clone(a.culprits), func(i int) bool { return !c.rows[i].holds() })
		other := func(i int) bool { return !e.match(*a, c.rows[i]) }
		unread := func(i int) bool { return isWildcard6(c.rows[i]) && c.rows[i].Options.V6Only == nil }
		if c.question.Network == netstate.Unix || len(holders) == 0 || slices.ContainsFunc(holders, other) {
			continue
		}
		if isIPv4(a.request.Address) && slices.ContainsFunc(holders, unread) {
			certainty = Likely
		}
		addresses = append(addresses, bracketed(*a))
		rows = append(rows, holders...)
	}
	if len(rows) == 0 {
		return finding{}, false
	}
	slices.Sort(rows)
	rows = slices.Compact(rows)
	var holders []string
	for _, i := range rows {
		holders = append(holders, Printable(c.rows[i].Local.String()))
	}
	holders = slices.Compact(holders)
	f := e.say(overlap{list(addresses), few(holders), pick(len(holders), "is", "are")})
	f.rows, f.certainty = rows, certainty
	return f, true
}

func isIPv4(address netip.Addr) bool { return address.Unmap().Is4() }

func isWildcard6(r row) bool { return r.Local.Addr() == netip.IPv6Unspecified() }

var reusePortMismatch = Kind{
	ID:    "reuseport-mismatch",
	Title: "A SO_REUSEPORT group that the new socket can't join",
	About: `Several sockets can share an address, and its traffic, when every one of them
sets SO_REUSEPORT before bind. On Linux they must also belong to one user: the
one whose process called socket(2). One socket without the option, or of
another user, is refused; root is no exception. Windows has no such option.`,
	find: findReusePortMismatch,
}

func findReusePortMismatch(c *inquiry) []finding {
	lacking := c.blocking(func(r row) bool { return r.holds() && isFalse(r.Options.ReusePort) })
	group := c.blocking(func(r row) bool { return r.holds() && isTrue(r.Options.ReusePort) })
	foreign := c.blocking(func(r row) bool { return r.holds() && isTrue(r.Options.ReusePort) && c.isForeignSocket(r) })
	switch {
	case c.failure() != "EADDRINUSE":
		return nil
	case len(foreign) > 0 && c.outcome(sharing{reusePort: true}) != ResultOK:
		return []finding{c.foreignGroup(foreign)}
	case c.asked().reusePort && len(lacking) > 0:
		return []finding{{
			title:  "The socket that is there does not share (no SO_REUSEPORT)",
			detail: fmt.Sprintf("SO_REUSEPORT must be set on every socket of an address before bind. The one on %s does not have it.", c.places(lacking)),
			rows:   lacking,
		}}
	case !c.asked().reusePort && len(group) > 0:
		return []finding{{
			title:  "The sockets that are there share with SO_REUSEPORT, the new one does not",
			detail: fmt.Sprintf("The address is shared on purpose: %s on %s has SO_REUSEPORT. A new socket%s may join if it sets that too%s.", c.ownersOf(c.rows[group[0]]), c.places(group), c.groupFacts(" of the same user"), c.groupFacts(", and then gets a part of the traffic")),
			rows:   group,
			remedies: []Remedy{{
				ID:     "set-reuseport",
				Title:  "If the new program is to share the traffic, set SO_REUSEPORT on its socket before bind",
				Effect: c.groupEffect(),
			}},
		}}
	}
	return nil
}

func (c *inquiry) groupEffect() string {
	if c.system.facts().groups {
		return "connections are spread over all programs of the group"
	}
	return "both programs have the port; which of them gets a connection is the system's choice"
}

// groupFacts is a text that is true where a group shares its traffic.
func (c *inquiry) groupFacts(text string) string {
	if c.system.facts().groups {
		return text
	}
	return ""
}

func (c *inquiry) isForeignSocket(r row) bool {
	mine := c.snapshot.Policy.UID
	return mine != nil && r.UID != nil && *mine != *r.UID
}

func (c *inquiry) foreignGroup(rows []int) finding {
	whose := c.ofUser(c.rows[rows[0]])
	return finding{
		title:  "The sockets that are there share with SO_REUSEPORT, with one user only",
		detail: fmt.Sprintf("The address on %s is shared with SO_REUSEPORT, and only by sockets%s. A socket of another user can't join%s.", c.places(rows), whose, c.groupFacts(", not even root's")),
		rows:   rows,
		remedies: []Remedy{{
			ID:     "same-user",
			Title:  fmt.Sprintf("If the new program is to share the traffic, let a process%s open its socket, with SO_REUSEPORT", whose),
			Effect: c.groupEffect(),
		}},
	}
}
