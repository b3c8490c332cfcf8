package diagnose

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"portdoc/netstate"
)

var forwarding = Kind{
	ID:    "forwarding",
	Title: "A port forward holds it",
	About: `A program can listen for the sake of another machine, and pass on what arrives:
ssh -L, -D and -R, kubectl port-forward, the relay of WSL on Windows, or a rule
of "netsh interface portproxy". The server that answers is elsewhere. Close the
forward where it was opened.`,
	find: findForwarding,
}

// forward is why a process is believed to listen for somebody else.
type forward struct {
	// what says what it is: "a forward of ssh"; to where it leads, "" where
	// that is not known.
	what, to string
	remedies []Remedy
	// endable tells that the forward is closed by ending the process.
	endable bool
}

func findForwarding(c *inquiry) []finding {
	holders := c.holders(func(r row, owner netstate.Owner, p *netstate.Process) bool {
		return r.holds() && !isSuspended(p) && c.forwardOf(r, p) != nil && c.inheritance(r, owner) == nil
	})
	var findings []finding
	for _, h := range holders {
		f := c.forwardOf(c.rows[h.rows[0]], h.lead())
		findings = append(findings, finding{
			title:    fmt.Sprintf("%s has it for %s", h.name(), f.what),
			detail:   fmt.Sprintf("%s listens for %s: what arrives here is passed on%s.", h.name(), f.what, f.to),
			summary:  fmt.Sprintf("%s is taken: %s has it for %s", c.label(), h.name(), f.what+f.to),
			rows:     h.rows,
			pids:     h.pids(),
			remedies: f.remedies,
		})
	}
	return append(findings, c.unseenForwards(len(findings) > 0)...)
}

// unseenForwards are rules that listen on the port while nobody is seen who
// does it for them.
func (c *inquiry) unseenForwards(explained bool) []finding {
	rows := c.blocking(func(r row) bool { return r.orphaned() && len(c.rulesFor(r)) > 0 })
	if explained || len(rows) == 0 {
		return nil
	}
	f := c.portProxy(c.rulesFor(c.rows[rows[0]]))
	return []finding{{
		title:    "The system has it for " + f.what,
		detail:   fmt.Sprintf("The system listens for %s: what arrives here is passed on%s.", f.what, f.to),
		summary:  fmt.Sprintf("%s is taken: the system has it for %s", c.label(), f.what+f.to),
		rows:     rows,
		remedies: f.remedies,
	}}
}

// forwardOf is the forward that the process has a socket for, nil for none.
func (c *inquiry) forwardOf(r row, p *netstate.Process) *forward {
	if !owns(r, p.PID) {
		return nil
	}
	if rules := c.rulesFor(r); len(rules) > 0 {
		return c.portProxy(rules)
	}
	switch name := strings.ToLower(p.Name); {
	case name == "wslrelay.exe", name == "wslhost.exe":
		return c.relayOfWSL()
	case r.State != netstate.StateListen:
	case name == "ssh", name == "ssh.exe":
		return &forward{what: "a forward of ssh (-L or -D)", endable: true}
	case name == "kubectl", name == "kubectl.exe":
		return &forward{what: "kubectl port-forward or proxy", endable: true}
	case isSessionOfSSH(p):
		return &forward{what: "a forward that an ssh client has opened from elsewhere (-R)", endable: true}
	}
	return nil
}

// isSessionOfSSH: a session's process calls itself "sshd: alice@pts/0", since
// OpenSSH 9.8 "sshd-session: alice@pts/0" (sshd-session.c).
func isSessionOfSSH(p *netstate.Process) bool {
	if len(p.Command) == 0 || p.Name != "sshd" && p.Name != "sshd-session" {
		return false
	}
	_, who, titled := strings.Cut(p.Command[0], ": ")
	return titled && strings.Contains(who, "@")
}

// rulesFor are the system's forwarding rules that a socket is there for.
func (c *inquiry) rulesFor(r row) []netstate.PortForward {
	var rules []netstate.PortForward
	for _, rule := range c.snapshot.Forwards {
		if r.State == netstate.StateListen && rule.Network == r.Network && rule.Listen.Port() == r.Local.Port() &&
			claimOf(rule.Listen.Addr(), true).meets(claimOf(r.Local.Addr(), true)) {
			rules = append(rules, rule)
		}
	}
	slices.SortFunc(rules, func(a, b netstate.PortForward) int {
		return 2*a.Listen.Compare(b.Listen) + strings.Compare(a.To, b.To)
	})
	return rules
}

// portProxy: the service IP Helper (iphlpsvc) listens for the rules of netsh.
func (c *inquiry) portProxy(rules []netstate.PortForward) *forward {
	f := &forward{what: "the port proxy of Windows"}
	var to []string
	for _, rule := range rules {
		to = append(to, Printable(rule.To))
		f.remedies = append(f.remedies, Remedy{
			ID:       "delete-portproxy",
			Title:    "Delete the rule",
			Commands: []string{deleteRule(rule)},
			Effect:   "Windows leaves the port, and nothing is passed on any more",
			Needs:    c.needs(true),
		})
	}
	f.to = " to " + few(to)
	return f
}

func deleteRule(rule netstate.PortForward) string {
	return fmt.Sprintf("netsh interface portproxy delete %sto%s listenport=%d listenaddress=%s",
		netshVersion(rule.Listen.Addr()), netshVersion(hostOf(rule.To)), rule.Listen.Port(), rule.Listen.Addr())
}

// netshVersion is what netsh calls an address family. A name may be of either;
// "v4" is what people use.
func netshVersion(address netip.Addr) string {
	if address.IsValid() && !isIPv4(address) {
		return "v6"
	}
	return "v4"
}

// hostOf is the address of "host:port" or "host/port", the zero Addr for a
// name.
func hostOf(to string) netip.Addr {
	if a, err := netip.ParseAddrPort(to); err == nil {
		return a.Addr()
	}
	address, _ := netip.ParseAddr(path.Dir(to))
	return address
}

func (c *inquiry) relayOfWSL() *forward {
	return &forward{
		what: "a program in WSL",
		remedies: []Remedy{{
			ID:       "look-in-wsl",
			Title:    "End that program in WSL; this shows it",
			Commands: []string{fmt.Sprintf("wsl -- ss -ltnp sport = :%d", c.question.Port)},
			Effect:   "lists the listener in the default distribution; the relay goes with it",
		}, {
			ID:       "stop-wsl",
			Title:    "Last resort, everything that runs in WSL is lost",
			Commands: []string{"wsl --shutdown"},
			Effect:   "ends all distributions and the relay",
			Risk:     LosesWork,
		}},
	}
}
