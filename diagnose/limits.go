package diagnose

import (
	"fmt"
	"slices"

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
	for _, a := range c.attempts {
		if l, ok := c.attemptLimit(a); ok {
			limits = append(limits, l)
		}
	}
	return limits
}

// concerns tells whether the limit is about a socket of the report.
func (c *inquiry) concerns(l netstate.Limit) bool {
	if l.Kind == netstate.LimitBound && c.question.Network != netstate.TCP {
		return false
	}
	return len(l.Inodes) == 0 || slices.ContainsFunc(c.rows, func(r row) bool {
		return r.Inode != 0 && slices.Contains(l.Inodes, r.Inode)
	})
}

func (c *inquiry) limitRemedy(kind netstate.LimitKind) string {
	switch kind {
	case netstate.LimitOwners, netstate.LimitOptions, netstate.LimitProcess, netstate.LimitPath, netstate.LimitPolicy:
		if c.snapshot.Host.Privileged {
			return "portdoc outside the container, as root"
		}
		return "sudo portdoc why " + c.typed()
	case netstate.LimitBound:
		return "a real bind finds them (portdoc without --no-probe); Linux lists them since 6.8"
	case netstate.LimitSource:
		return "portdoc outside the sandbox"
	case netstate.LimitUnstable:
		return "portdoc why " + c.typed() + ", once more"
	}
	return ""
}

// attemptLimit tells of a bind whose outcome is not known, or is another one
// than the rules have it.
func (c *inquiry) attemptLimit(a attempt) (Limit, bool) {
	bind := "a bind on " + bracketed(a)
	if options := a.options(); len(options) > 0 {
		bind += " with " + list(options)
	}
	switch predicted := a.prediction.Bind; {
	case a.result() == ResultUnknown && c.question.Network == netstate.Unix:
		return Limit{
			What:   "what " + bind + " gets",
			Why:    a.prediction.Missing + " could not be seen",
			Remedy: "sudo portdoc why " + c.typed(),
		}, true
	case a.result() == ResultUnknown && !c.mayBeTried(a.request):
		return Limit{
			What:   "what " + bind + " gets",
			Why:    "to try it could take datagrams from a program that runs",
			Remedy: "",
		}, true
	case a.result() == ResultUnknown:
		return Limit{
			What:   "what " + bind + " gets",
			Why:    "it was not tried, and the rules need to know " + a.prediction.Missing,
			Remedy: "portdoc why " + c.typed() + ", without --no-probe",
		}, true
	case a.observed != "" && predicted != ResultUnknown && predicted != a.observed:
		return Limit{
			What:   "why " + bind + " gets " + said(a.observed),
			Why:    fmt.Sprintf("by the rules it gets %s: trust the system's answer", said(predicted)),
			Remedy: "",
		}, true
	}
	return Limit{}, false
}

// said is a result for people.
func said(result string) string {
	if result == ResultOK {
		return "through"
	}
	return result
}
