package diagnose

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"portdoc/netstate"
)

var kernel = Kind{
	ID:    "kernel",
	Title: "The kernel itself holds it",
	About: `Some ports belong to the kernel: tunnels (vxlan, geneve, wireguard, l2tp), the NFS
server and the lock manager. No process has them open, so there is nothing to
end: remove the device, stop the service, or give it another port.`,
	find: findKernel,
}

func findKernel(c *inquiry) []finding {
	isQueue := func(k netstate.KernelHolder) bool { return k.Queue != nil } // system-service
	holders := slices.DeleteFunc(c.kernelHolders(), isQueue)
	rows := c.blocking(row.orphaned)
	if len(holders) == 0 || c.failure() != "EADDRINUSE" || len(rows) == 0 && len(c.blocking(row.holds)) > 0 {
		return nil
	}
	var names []string
	var remedies []Remedy
	for _, k := range holders {
		names = append(names, Printable(k.Name))
		remedies = append(remedies, c.kernelRemedy(k))
	}
	return []finding{{
		title:    "The kernel holds it: " + few(names),
		detail:   fmt.Sprintf("The port belongs to a part of the kernel, %s. No process has it, so there is none to end.", few(names)),
		summary:  fmt.Sprintf("%s is taken by the kernel: %s", c.label(), few(names)),
		rows:     rows,
		remedies: remedies,
	}}
}

// kernelHolders are the parts of the kernel that have the port.
func (c *inquiry) kernelHolders() []netstate.KernelHolder {
	var holders []netstate.KernelHolder
	for _, k := range c.snapshot.Kernel {
		if k.Network == c.question.Network && k.Port == c.question.Port {
			holders = append(holders, k)
		}
	}
	slices.SortFunc(holders, func(a, b netstate.KernelHolder) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Kind, b.Kind))
	})
	return holders
}

func (c *inquiry) kernelRemedy(k netstate.KernelHolder) Remedy {
	facts := c.system.facts()
	switch {
	case k.Device != "" && facts.showDevice != "":
		return Remedy{
			ID:       "see-device",
			Title:    fmt.Sprintf("Look at the network device %s; give it another port, or remove it if nobody needs it", Printable(k.Device)),
			Commands: []string{fmt.Sprintf(facts.showDevice, c.system.quote(k.Device))},
			Effect:   "shows what kind of device it is and its settings",
		}
	case k.Kind == "nfsd" && facts.stopNFS != "":
		return Remedy{
			ID:       "stop-unit",
			Title:    "Stop the NFS server",
			Commands: []string{c.privileged(facts.stopNFS)},
			Effect:   "clients lose what they have mounted from here",
			Risk:     LosesWork,
			Needs:    c.needs(true),
		}
	}
	return Remedy{ID: "move-kernel-port", Title: fmt.Sprintf("Give %s another port, or stop it", Printable(k.Name))}
}

var noProcess = Kind{
	ID:    "no-process",
	Title: "No process has it open",
	About: `A socket can be alive without any process that has it open: it is on its way
between two processes through a unix socket, an io_uring still refers to it,
or the kernel made it for itself. On Windows the program that made it has ended,
and another one has inherited it. It is certain only where every process could
be looked at, and likely where those that could not are in other network
namespaces.`,
	find: findNoProcess,
}

func findNoProcess(c *inquiry) []finding {
	rows := c.blocking(func(r row) bool {
		lost := r.queued() && !c.coveredBy(r, nil)
		return (r.orphaned() || lost) && !c.isExplained(r) && !c.mayHideOwner(r)
	})
	if len(rows) == 0 || len(c.kernelHolders()) > 0 {
		return nil
	}
	looked, certainty := "Every process could be looked at, and none", Certain
	if slices.ContainsFunc(rows, func(i int) bool { return c.foreign[c.rows[i].Inode] }) {
		looked, certainty = "No process of this "+c.system.facts().unixScope, Likely
	}
	remedy := Remedy{
		ID:       "look-again",
		Title:    "Look again: a socket on its way arrives in a moment",
		Commands: []string{"portdoc why " + c.typed()},
		Effect:   "shows the process that has it then",
	}
	if pid := c.rows[rows[0]].LastPID; pid != 0 && c.processes[pid] == nil {
		looked, certainty = fmt.Sprintf("The process that made it (pid %d) has ended, and no other that can be seen", pid), Likely
		remedy = Remedy{
			ID:     "end-descendants",
			Title:  fmt.Sprintf("End the programs that pid %d had started, if any of them still runs; a restart of the system frees the port for certain", pid),
			Effect: "nobody has the socket any more",
		}
	}
	return []finding{{
		title:     "No process has it open",
		detail:    fmt.Sprintf("%s has the socket on %s open. %s", looked, c.places(rows), c.system.facts().unowned),
		summary:   fmt.Sprintf("%s is taken by a socket that no process has open", c.label()),
		rows:      rows,
		certainty: certainty,
		remedies:  []Remedy{remedy},
	}}
}

// isExplained tells whether it is known what has a socket, though not which
// process.
func (c *inquiry) isExplained(r row) bool {
	service := func(s systemService) bool { return c.isServedBy(r, s) }
	return len(c.heirs(r)) > 0 || len(c.rulesFor(r)) > 0 || slices.ContainsFunc(systemServices(), service)
}

var hiddenOwner = Kind{
	ID:    "hidden-owner",
	Title: "Its owner may not be seen from here",
	About: `The kernel shows everybody's sockets, and only root may see which process has
another user's. The same is so inside a container for what is outside. The
user of the socket is known all the same, and often the service.`,
	find: findHiddenOwner,
}

// mayHideOwner tells whether a limit says that r may have an owner that could
// not be seen.
func (c *inquiry) mayHideOwner(r row) bool {
	return c.unseen[r.Inode] || slices.ContainsFunc(c.snapshot.Limits, func(l netstate.Limit) bool {
		return l.Kind == netstate.LimitOwners && len(l.Inodes) == 0
	})
}

func findHiddenOwner(c *inquiry) []finding {
	rows := c.blocking(func(r row) bool { return r.orphaned() && c.mayHideOwner(r) && !c.isExplained(r) })
	if len(rows) == 0 || len(c.kernelHolders()) > 0 {
		return nil
	}
	first := c.rows[rows[0]]
	who := "a process" + c.ofUser(first)
	does := map[bool]string{true: "listens", false: "has it"}[first.State == netstate.StateListen]
	unit := unitOf(first)
	f := finding{
		title:   capital(who) + " " + does + " (hidden from you)",
		detail:  fmt.Sprintf("The socket on %s belongs to %s. Which one it is may not be seen from here.", c.places(rows), who),
		summary: fmt.Sprintf("%s is taken: %s %s (hidden from you)", c.label(), who, does),
		rows:    rows,
	}
	if unit != nil {
		f.detail += fmt.Sprintf(" It was made in the service %s.", Printable(unit.Unit))
		f.remedies = append(f.remedies, c.system.services().stop(c, unit))
	}
	if p := c.processes[first.LastPID]; p != nil {
		f.detail += fmt.Sprintf(" The last that used it is %s (pid %d).", labelOf(p), p.PID)
	}
	f.remedies = append(f.remedies, c.lookAsRoot())
	return []finding{f}
}

func (c *inquiry) ofUser(r row) string {
	switch name := c.userName(r.UID); {
	case name != "":
		return " of user " + Printable(name)
	case r.UID != nil:
		return fmt.Sprintf(" of user id %d", *r.UID)
	}
	return ""
}

func (c *inquiry) lookAsRoot() Remedy {
	if c.readerIsRoot() && c.system.facts().outside != "" {
		return Remedy{
			ID:     "look-from-outside",
			Title:  fmt.Sprintf("Look from outside %s", c.system.facts().outside),
			Effect: "shows who has it and what to do",
		}
	}
	return Remedy{
		ID:       "look-as-root",
		Title:    "See the process",
		Commands: []string{c.system.seeOwners(c)},
		Effect:   "shows who has it and what to do",
		Needs:    c.needs(true),
	}
}

// unitOf is the service in whose cgroup a socket was made, as a process of
// which nothing else is known; nil for none.
func unitOf(r row) *netstate.Process {
	unit := path.Base(r.Cgroup)
	if !isService(unit) {
		return nil
	}
	return &netstate.Process{Unit: unit, UserUnit: strings.Contains(r.Cgroup, "/user@"), UID: r.UID}
}
