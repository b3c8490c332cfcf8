package diagnose

import (
	"fmt"

	"portdoc/netstate"
)

// macOS has launchd, no SOCK_CLOEXEC, and privileged ports at single addresses
// only (macosrules.go).
type macOS struct{ posix }

func (macOS) services() serviceManager { return launchd{} }

func (macOS) facts() facts {
	f := posix{}.facts()
	f.forbids = "the program's own sandbox or a network extension (a filter, a VPN) may forbid it"
	f.reserves = "macOS itself may have reserved it: a service of Apple's that waits for nobody yet, or a program that uses Network.framework"
	f.privilegedPorts = "A port below %d at a single address is for root."
	f.notInherited = "let the server set FD_CLOEXEC on its sockets before it starts another program"
	f.reuse = reuseNew
	return f
}

func (macOS) bindPrivileged(*inquiry) []Remedy {
	return []Remedy{{
		ID:     "bind-wildcard",
		Title:  "Or bind 0.0.0.0 or [::] instead of a single address: macOS permits that to everybody",
		Effect: "needs no privilege, and answers on every address",
	}}
}

func (macOS) widenRange(c *inquiry, lent netstate.PortRange) []Remedy { return widenPortRange(c, lent) }

// widenPortRange is for the systems that keep the range in
// net.inet.ip.portrange.first (in_pcb.c of FreeBSD and of xnu).
func widenPortRange(c *inquiry, lent netstate.PortRange) []Remedy {
	const low = 16384
	if lent.First <= low {
		return nil
	}
	return []Remedy{{
		ID:       "widen-range",
		Title:    "Widen the range",
		Commands: []string{c.privileged(fmt.Sprintf("sysctl net.inet.ip.portrange.first=%d", low))},
		Effect:   "lasts until the next boot; servers on ports in the wider range may then find them taken",
		Needs:    []string{"root"},
	}}
}

// freeBSD has rc scripts and jails.
type freeBSD struct{ posix }

func (freeBSD) facts() facts {
	f := posix{}.facts()
	f.elsewhere = "it may run in a jail that has a network of its own (VNET)"
	f.outside, f.outsideAsRoot = "this jail, as root of the machine", "the jail, as root"
	f.stopNFS = "service nfsd stop"
	f.forbids = "the jail's settings or a policy of the MAC framework (mac_portacl) may forbid it"
	f.reuse = reuseNew
	return f
}

// bindPrivileged: ports up to net.inet.ip.portrange.reservedhigh are for root
// (ip(4)).
func (freeBSD) bindPrivileged(c *inquiry) []Remedy {
	return []Remedy{{
		ID:     "grant-port",
		Title:  "Or let one user bind it: mac_portacl(4) has rules by user and port",
		Effect: "that user may bind that port, and nothing else that root may",
		Needs:  []string{"root"},
	}, {
		ID:       "lower-limit",
		Title:    "Or lower the limit for everybody on this machine",
		Commands: []string{c.privileged(fmt.Sprintf("sysctl net.inet.ip.portrange.reservedhigh=%d", c.question.Port-1))},
		Effect:   "lasts until the next boot; put it into /etc/sysctl.conf to keep it",
		Needs:    []string{"root"},
	}}
}

func (freeBSD) widenRange(c *inquiry, lent netstate.PortRange) []Remedy {
	return widenPortRange(c, lent)
}

// openBSD has doas(1) in the place of sudo, and no dual-stack sockets.
type openBSD struct{ posix }

func (openBSD) privilege() privilege { return privilege{name: "root", command: "doas "} }

func (openBSD) services() serviceManager { return rc{control: "rcctl stop %s"} }

// seeOwners: fstat(1) names the processes, which netstat(1) does not.
func (openBSD) seeOwners(c *inquiry) string {
	return c.privileged("fstat") + fmt.Sprintf(" | grep ':%d'", c.question.Port)
}

func (openBSD) facts() facts {
	f := posix{}.facts()
	f.elsewhere = "it may run in a virtual machine, which has ports of its own"
	f.showAddresses = "ifconfig -A"
	return f
}

// netBSD has sockstat(1), which names the processes.
type netBSD struct{ posix }

func (netBSD) seeOwners(c *inquiry) string {
	return c.privileged(fmt.Sprintf("sockstat -n -p %d", c.question.Port))
}
