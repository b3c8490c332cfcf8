package diagnose

import (
	"fmt"

	"portdoc/netstate"
)

// linux is what the others are compared with.
type linux struct{ posix }

func (linux) services() serviceManager { return systemd{} }

func (linux) facts() facts {
	f := posix{}.facts()
	f.elsewhere = "it may run in another network namespace or container"
	f.outside, f.outsideAsRoot = "this container, as root of the machine", "the container, as root"
	f.showDevice, f.stopNFS = "ip -d link show %s", "systemctl stop nfs-server"
	f.forbids = "a security module (SELinux, AppArmor) or a filter of the control group (BPF) may forbid it"
	f.unowned = "It may be on its way from one process to another (passed over a unix socket), be held by an io_uring, or belong to the kernel."
	f.showAddresses = "ip address"
	f.privilegedPorts = "Ports below %d are for root and for programs that have the right to bind them."
	f.listsBound = "; Linux lists them since 6.8"
	f.unixScope = "network namespace"
	f.makesDirectories = ", or let the service manager make one (RuntimeDirectory= in systemd)"
	f.reuse = reuseBoth
	f.wildcardsExclude, f.groups = true, true
	return f
}

func (linux) bindPrivileged(c *inquiry) []Remedy {
	return []Remedy{{
		ID:     "grant-capability",
		Title:  "Give the program the right: AmbientCapabilities=CAP_NET_BIND_SERVICE in its systemd unit, or setcap cap_net_bind_service=+ep on its executable",
		Effect: "this program may bind every port, and nothing else that root may",
		Needs:  []string{"root"},
	}, {
		ID:       "lower-limit",
		Title:    "Or lower the limit for everybody on this machine",
		Commands: []string{c.privileged(fmt.Sprintf("sysctl -w net.ipv4.ip_unprivileged_port_start=%d", c.question.Port))},
		Effect:   "lasts until the next boot",
		Needs:    []string{"root"},
	}}
}

func (linux) reservePort(c *inquiry) []Remedy {
	return []Remedy{{
		ID:       "reserve-port",
		Title:    fmt.Sprintf("Or reserve %d, so that later connections get other ports", c.question.Port),
		Commands: []string{c.privileged("sysctl -w net.ipv4.ip_local_reserved_ports=" + c.reservation())},
		Effect:   "lasts until the next boot; put it into a file in /etc/sysctl.d to keep it. The connection that has the port now is not affected",
		Needs:    []string{"root"},
	}}
}

func (linux) widenRange(c *inquiry, lent netstate.PortRange) []Remedy {
	const low, high = 16384, 60999
	if lent.First <= low && lent.Last >= high {
		return nil
	}
	return []Remedy{{
		ID:       "widen-range",
		Title:    "Widen the range",
		Commands: []string{c.privileged(fmt.Sprintf(`sysctl -w net.ipv4.ip_local_port_range="%d %d"`, min(low, lent.First), max(high, lent.Last)))},
		Effect:   "lasts until the next boot; servers on ports in the wider range may then find them taken",
		Needs:    []string{"root"},
	}}
}
