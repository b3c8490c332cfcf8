package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"portdoc/netstate"
)

// limits are what could not be seen of what was asked about, and where the
// rules and the system disagree.
func (c *inquiry) limits() []Limit {
	limits := []Limit{}
	for _, l := range c.snapshot.Limits {
		if c.concerns(l) {
			limits = append(limits, Limit{What: Printable(l.What), Why: Printable(l.Why), Remedy: c.limitRemedy(l.Kind)})
		}
	}
	slices.SortFunc(limits, func(a, b Limit) int {
		return slices.Compare([]string{a.What, a.Why}, []string{b.What, b.Why})
	})
	limits = slices.Compact(limits)
	return append(limits, c.attemptLimits()...)
}

// concerns tells whether the limit is about a socket of the report.
func (c *inquiry) concerns(l netstate.Limit) bool {
	if !about(l, c.question.Network) {
		return false
	}
	return len(l.Inodes) == 0 || slices.ContainsFunc(c.rows, func(r row) bool {
		return r.Inode != 0 && slices.Contains(l.Inodes, r.Inode)
	})
}

// about tells whether a limit is about sockets of a network. Snapshots of before
// limits had one have [netstate.LimitBound] of TCP alone.
func about(l netstate.Limit, network netstate.Network) bool {
	return l.Concerns(network) && (l.Kind != netstate.LimitBound || network == netstate.TCP)
}

func (c *inquiry) limitRemedy(kind netstate.LimitKind) string {
	switch kind {
	case netstate.LimitOwners, netstate.LimitForeignOwners, netstate.LimitOptions, netstate.LimitProcess, netstate.LimitPath, netstate.LimitPolicy:
		if c.snapshot.Host.Privileged || c.readerIsRoot() {
			return c.lookFurther(kind)
		}
		if kind == netstate.LimitOwners {
			return c.placed(c.system.seeOwners(c))
		}
		return c.askPrivileged()
	case netstate.LimitBound:
		return "a real bind finds them (portdoc without --no-probe)" + c.system.facts().listsBound
	case netstate.LimitSource:
		return "portdoc outside the sandbox"
	case netstate.LimitUnstable:
		return "portdoc why " + c.typed() + ", once more"
	}
	return ""
}

// lookFurther is for a reader with all privileges who could not see something
// all the same.
func (c *inquiry) lookFurther(kind netstate.LimitKind) string {
	if outside := c.system.facts().outsideAsRoot; outside != "" {
		return "portdoc outside " + outside
	}
	if other := c.system.seeOwners(c); kind == netstate.LimitOwners && !strings.HasPrefix(other, "portdoc ") {
		return other
	}
	return ""
}

// attemptLimits tell of binds whose outcome is not known, or is another one
// than the rules have it. Those that differ only in the bind are one.
func (c *inquiry) attemptLimits() []Limit {
	var limits []Limit
	var binds [][]string
	for _, a := range c.attempts {
		l, ok := c.attemptLimit(a)
		if !ok {
			continue
		}
		i := slices.Index(limits, l)
		if i < 0 {
			i = len(limits)
			limits, binds = append(limits, l), append(binds, nil)
		}
		binds[i] = append(binds[i], a.words())
	}
	for i := range limits {
		limits[i].What = fmt.Sprintf(limits[i].What, "a bind "+list(binds[i]))
	}
	return limits
}

// words say which bind it is.
func (a attempt) words() string {
	if options := a.options(); len(options) > 0 {
		return "on " + bracketed(a) + " with " + list(options)
	}
	return "on " + bracketed(a)
}

// attemptLimit has a %s in What, for the bind.
func (c *inquiry) attemptLimit(a attempt) (Limit, bool) {
	switch {
	case a.surprises():
		return Limit{
			What: "why %s gets " + c.said(a.observed),
			Why:  fmt.Sprintf("by the rules it gets %s: trust the system's answer", c.said(a.prediction.Bind)),
		}, true
	case a.result() != ResultUnknown || a.sharing() != c.asked() && c.failure() != "EADDRINUSE":
		return Limit{}, false
	case a.prediction.Missing == "":
		// The surprise at the same address is said instead.
		return Limit{}, false
	case c.question.Network == netstate.Unix:
		return Limit{
			What:   "what %s gets",
			Why:    a.prediction.Missing + " could not be seen",
			Remedy: c.askPrivileged(),
		}, true
	case !c.mayBeTried(a.request):
		return Limit{What: "what %s gets", Why: "to try it could take datagrams from a program that runs"}, true
	}
	limit := Limit{
		What: "what %s gets",
		Why:  "it was not tried, and the rules need to know " + Printable(a.prediction.Missing),
	}
	if !slices.ContainsFunc(c.attempts, attempt.wasTried) {
		limit.Remedy = "portdoc why " + c.typed() + ", without --no-probe"
	}
	return limit, true
}

func (a attempt) wasTried() bool { return a.observed != "" }

// said is a result for people.
func (c *inquiry) said(result string) string {
	if result == ResultOK {
		return "through"
	}
	return c.system.errno(result)
}

// askPrivileged is how to ask again with all privileges.
func (c *inquiry) askPrivileged() string {
	return c.placed(c.privileged("portdoc why " + c.typed()))
}

// placed says where to type a command that needs all privileges.
func (c *inquiry) placed(command string) string {
	if place := c.system.privilege().place; place != "" {
		command += ", in " + place
	}
	return command
}
