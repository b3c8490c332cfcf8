package diagnose

import (
	"fmt"
	"slices"

	"portdoc/netstate"
)

var excludedRange = Kind{
	ID:    "excluded-range",
	Title: "The system has reserved a range of ports (WSAEACCES)",
	About: `Windows reserves ranges of ports for Hyper-V, WSL, containers and others (WinNAT)
at each boot, other ones each time. No program can bind a port in them: bind
fails with WSAEACCES (10013), though nobody has the port and no tool lists a
socket. "netsh int ipv4 show excludedportrange protocol=tcp" shows the ranges.
Use a port outside them, or reserve yours before the system does.`,
	find: findExcludedRange,
}

func findExcludedRange(c *inquiry) []finding {
	reserved := c.excludedRanges()
	if len(reserved) == 0 || c.failure() != "EACCES" || len(c.blocking(row.holds)) > 0 {
		return nil
	}
	r := reserved[0]
	ports := fmt.Sprintf("the ports %d to %d", r.First, r.Last)
	if r.First == r.Last {
		ports = fmt.Sprintf("the port %d", r.First)
	}
	return []finding{{
		title: fmt.Sprintf("The system has reserved %s (%s)", ports, c.system.errno("EACCES")),
		detail: fmt.Sprintf("Nobody has the port. Windows has reserved %s, as it does for Hyper-V, WSL and containers, and refuses every bind there (%s). The ranges are other ones after the next boot.",
			ports, c.system.errno("EACCES")),
		summary:  fmt.Sprintf("%s can't be bound: Windows has reserved %s", c.label(), ports),
		remedies: c.avoidExcluded(),
	}}
}

// excludedRanges are those that the asked port is in.
func (c *inquiry) excludedRanges() []netstate.PortRange {
	var found []netstate.PortRange
	for _, r := range c.snapshot.Policy.ExcludedPorts[c.question.Network] {
		if r.Contains(c.question.Port) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b netstate.PortRange) int { return int(a.First) - int(b.First) })
	return found
}

// avoidExcluded: the ranges are WinNAT's (the service winnat), which draws them
// anew when it starts.
func (c *inquiry) avoidExcluded() []Remedy {
	family, network := c.netshFamily(), c.question.Network
	return []Remedy{{
		ID:       "choose-port",
		Title:    "Give the server a port outside the reserved ranges",
		Commands: []string{fmt.Sprintf("netsh int %s show excludedportrange protocol=%s", family, network)},
		Effect:   "lists the ranges; programs can bind those with a * behind them",
	}, {
		ID:       "reserve-port",
		Title:    "Or reserve it for your server for good. The network of WSL, containers and virtual machines stops until the last line",
		Commands: []string{"net stop winnat", c.excludePort(), "net start winnat"},
		Effect:   "the system draws its ranges anew, and leaves this port to programs that ask for it",
		Risk:     LosesWork,
		Needs:    c.needs(true),
	}}
}
