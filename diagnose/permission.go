package diagnose

import (
	"fmt"
	"net/netip"
	"slices"

	"portdoc/netstate"
)

var privilegedPort = Kind{
	ID:    "privileged-port",
	Title: "The port is privileged (EACCES)",
	About: `Ports below 1024 (on Linux: below net.ipv4.ip_unprivileged_port_start) may be
bound only by root, or by a program that has the capability
CAP_NET_BIND_SERVICE. The port may well be free; the kernel does not get as far
as to look. macOS permits the wildcards to everybody, and Windows has no such
ports.`,
	find: findPrivilegedPort,
}

func findPrivilegedPort(c *inquiry) []finding {
	policy := c.snapshot.Policy
	start := policy.UnprivilegedPortStart
	if c.failure() != "EACCES" || c.system.facts().privilegedPorts == "" || isTrue(policy.BindPrivileged) || c.question.Network == netstate.Unix ||
		start != nil && int(c.question.Port) >= *start {
		return nil
	}
	limit, certainty := 1024, Likely
	if start != nil {
		limit, certainty = *start, Certain
	}
	who := "this user"
	if c.snapshot.Host.User != "" {
		who = "user " + Printable(c.snapshot.Host.User)
	}
	return []finding{{
		title:     fmt.Sprintf("%s may not bind a port below %d", who, limit),
		detail:    fmt.Sprintf(c.system.facts().privilegedPorts+" The system refuses before it looks whether the port is free.", limit),
		summary:   fmt.Sprintf("%s is a privileged port: %s may not bind below %d", c.label(), who, limit),
		certainty: certainty,
		remedies:  c.bindPrivileged(limit),
	}}
}

func (c *inquiry) bindPrivileged(limit int) []Remedy {
	return append([]Remedy{{
		ID:     "choose-port",
		Title:  fmt.Sprintf("Use a port from %d on, and let a proxy or a firewall rule forward to it", limit),
		Effect: "needs no privilege",
	}}, c.system.bindPrivileged(c)...)
}

var addressNotLocal = Kind{
	ID:    "address-not-local",
	Title: "The address is not one of this machine (EADDRNOTAVAIL)",
	About: `A program can bind the addresses that the machine's own interfaces have, and the
wildcards. The public address of a cloud machine is usually not one of them:
it is translated on the way. The same error comes from an address that has
moved (DHCP), from a name that resolves to another machine, and from an
interface that is down.`,
	find: findAddressNotLocal,
}

func findAddressNotLocal(c *inquiry) []finding {
	asked := c.failing()
	if c.failure() != "EADDRNOTAVAIL" || !asked.IsValid() || asked.IsUnspecified() || c.lacksFamily() {
		return nil
	}
	detail := "No interface here has " + Printable(asked.String()) + "."
	if mine := c.localAddresses(asked); len(mine) > 0 {
		detail += fmt.Sprintf(" The addresses of this machine are %s.", few(mine))
	}
	wildcard := "0.0.0.0"
	if !isIPv4(asked) {
		wildcard = "[::]"
	}
	remedies := []Remedy{{
		ID:     "choose-address",
		Title:  fmt.Sprintf("Bind one of this machine's addresses, or %s for all of them", wildcard),
		Effect: "the bind no longer depends on that address",
	}}
	remedies = append(remedies, Remedy{
		ID:       "see-addresses",
		Title:    "See which interface has which address",
		Commands: []string{c.system.facts().showAddresses},
		Effect:   "a service that starts before its interface is up must wait for it",
	})
	return []finding{{
		title:    Printable(asked.String()) + " is not an address of this machine",
		detail:   detail,
		summary:  fmt.Sprintf("%s can't be bound: %s is not an address of this machine", c.label(), Printable(asked.String())),
		remedies: remedies,
	}}
}

// localAddresses are those of this machine in the family of another one.
func (c *inquiry) localAddresses(like netip.Addr) []string {
	var addresses []string
	for _, a := range c.snapshot.Policy.Addresses {
		address := a.Prefix.Addr()
		if isIPv4(address) == isIPv4(like) && !address.IsLinkLocalUnicast() {
			addresses = append(addresses, Printable(address.String()))
		}
	}
	slices.Sort(addresses)
	return slices.Compact(addresses)
}

var familyUnavailable = Kind{
	ID:    "family-unavailable",
	Title: "The address family is switched off",
	About: `Where IPv6 is switched off, in the kernel or for all interfaces, an IPv6 address
can't be bound: a socket can't be made (EAFNOSUPPORT), or no interface has the
address (EADDRNOTAVAIL). Containers often have no IPv6 at all. Programs that
ask for localhost may get ::1 from the hosts file all the same.`,
	find: findFamilyUnavailable,
}

// lacksFamily tells whether the family of the asked address is switched off.
func (c *inquiry) lacksFamily() bool {
	policy, asked := c.snapshot.Policy, c.failing()
	switch {
	case c.failure() == "EAFNOSUPPORT":
		return true
	case c.failure() != "EADDRNOTAVAIL" || !asked.IsValid():
		return false
	case isIPv4(asked):
		return isFalse(policy.IPv4)
	}
	return isFalse(policy.IPv6) || isTrue(policy.IPv6Disabled)
}

func findFamilyUnavailable(c *inquiry) []finding {
	if !c.lacksFamily() {
		return nil
	}
	asked := c.failing()
	family, other, loopback := "IPv6", "IPv4", "127.0.0.1"
	if isIPv4(asked) {
		family, other, loopback = "IPv4", "IPv6", "::1"
	}
	detail := family + " is switched off here: a socket of that family can't be made."
	if c.failure() == "EADDRNOTAVAIL" {
		detail = family + " is switched off on the interfaces here: none has an address of that family."
	}
	title := fmt.Sprintf("Bind an %s address instead", other)
	if asked.IsLoopback() {
		title += ", " + loopback
	}
	return []finding{{
		title:   family + " is switched off",
		detail:  detail,
		summary: fmt.Sprintf("%s can't be bound: %s is switched off on this machine", c.label(), family),
		remedies: []Remedy{{
			ID:     "choose-family",
			Title:  title,
			Effect: "if the program asked for a name such as localhost, " + c.system.facts().hostsFile + " says which address it gets",
		}},
	}}
}

var ephemeralExhausted = Kind{
	ID:    "ephemeral-exhausted",
	Title: "No ephemeral port is left",
	About: `A bind to port 0, and every outgoing connection without a port of its own, gets a
port out of the ephemeral range. When all of them are taken, often by
thousands of connections in TIME_WAIT to one server, bind fails with
EADDRINUSE and connect with EADDRNOTAVAIL. That is not about any one port.`,
	find: findEphemeralExhausted,
}

func findEphemeralExhausted(c *inquiry) []finding {
	failure := c.failure()
	if c.question.Network == netstate.Unix || c.question.Port != 0 || failure != "EADDRINUSE" && failure != "EADDRNOTAVAIL" || c.lacksFamily() {
		return nil
	}
	if failure == "EADDRNOTAVAIL" && !c.failing().IsUnspecified() {
		return nil
	}
	detail := "All ports that the system may choose from are taken."
	if lent := c.snapshot.Policy.EphemeralPorts; lent != nil {
		detail = fmt.Sprintf("The system chooses from the ports %d to %d (the ephemeral range), and finds none that is free.", lent.First, lent.Last)
	}
	if use := c.snapshot.Ephemeral; use != nil && use.Network == c.question.Network {
		detail += fmt.Sprintf(" %d of %d are in use.", use.Used, use.Available)
	}
	return []finding{{
		title:    "No ephemeral port is left",
		detail:   detail,
		summary:  fmt.Sprintf("no %s port is left that the system could choose", c.question.Network),
		remedies: c.freeEphemeral(),
	}}
}

func (c *inquiry) freeEphemeral() []Remedy {
	remedies := []Remedy{{
		ID:     "reuse-connections",
		Title:  "Let clients reuse their connections (keep-alive, a pool) instead of opening one for each request",
		Effect: "ports are no longer used up",
	}}
	lent := c.snapshot.Policy.EphemeralPorts
	if lent == nil {
		return remedies
	}
	return append(remedies, c.system.widenRange(c, *lent)...)
}
