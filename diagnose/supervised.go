package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"portdoc/netstate"
)

var supervised = Kind{
	ID:    "supervised",
	Title: "A service manager or container runtime looks after its process",
	About: `A process that a service manager (systemd, launchd, rc scripts, the services of
Windows) or a container runtime started is theirs to end: most start it again at
once when somebody kills it. Stop the service or the container instead; disable
it too if it should stay away after a reboot.`,
	find: findSupervised,
}

func findSupervised(c *inquiry) []finding {
	holders := c.holders(func(r row, _ netstate.Owner, p *netstate.Process) bool {
		return c.isSupervised(p) && c.forwardOf(r, p) == nil && !c.isSystemService(r, p)
	})
	var findings []finding
	for _, h := range holders {
		p := c.withService(h)
		findings = append(findings, finding{
			title:  fmt.Sprintf("%s %s run by %s", h.name(), h.verb("is", "are"), supervisor(p)),
			detail: sentences(fmt.Sprintf("%s %s to %s, which %s.", h.name(), h.verb("belongs", "belong"), supervisor(p), c.supervisorDoes(p)), housemates(p)),
			summary: fmt.Sprintf("%s is taken: %s of %s %s it",
				c.label(), h.name(), supervisor(p), h.verb("has", "have")),
			rows:      h.rows,
			pids:      h.pids(),
			certainty: supervision(p),
			remedies:  c.stopSupervised(p),
		})
	}
	return findings
}

// isSupervised tells whether a service manager or container runtime started
// the process, so that it is theirs to end. What a person started from a
// terminal is not, whatever its control group.
func (c *inquiry) isSupervised(p *netstate.Process) bool {
	return p.Container != "" || p.TTY == "" && c.system.services().looksAfter(p)
}

// withService is the holder's lead with the one service as its unit that has
// the sockets, as far as that is known of several in one process.
func (c *inquiry) withService(h *holder) *netstate.Process {
	p := *h.lead()
	for _, i := range h.rows {
		if service := c.rows[i].Service; service != "" {
			p.Unit = service
		}
	}
	if p.Unit == "" && len(p.Services) == 1 {
		p.Unit = p.Services[0]
	}
	return &p
}

// supervisorDoes says what becomes of a holder that is killed.
func (c *inquiry) supervisorDoes(p *netstate.Process) string {
	if p.Container != "" || c.system.services().restarts() {
		return "may start it again when it is killed"
	}
	return "knows how to end it in order"
}

// housemates names the services that share a process.
func housemates(p *netstate.Process) string {
	if len(p.Services) < 2 {
		return ""
	}
	if p.Unit == "" {
		return "Which of them has the socket is not known."
	}
	others := slices.DeleteFunc(slices.Clone(p.Services), func(s string) bool { return s == p.Unit })
	return fmt.Sprintf("Other services run in the same process (%s), so do not end that.", Printable(few(others)))
}

// supervision says how sure it is that the supervisor would start the process
// again: it is for the one that it started itself.
func supervision(p *netstate.Process) Certainty {
	if p.Container != "" || p.PPID == 1 || p.ParentName == "systemd" || strings.EqualFold(p.ParentName, "services.exe") {
		return Certain
	}
	return Likely
}

func supervisor(p *netstate.Process) string {
	switch {
	case p.Container != "":
		return fmt.Sprintf("the %s container %s", cmp.Or(runtimeOf(p), "unknown"), shortID(p.Container))
	case p.UserUnit:
		return "the user service " + Printable(p.Unit)
	}
	if p.Unit == "" {
		return "the services " + Printable(few(p.Services))
	}
	return "the service " + Printable(p.Unit)
}

// runtimeOf is the command of the container's runtime, by the names that the
// runtimes give to control groups; "" for no container.
func runtimeOf(p *netstate.Process) string {
	switch {
	case p.Container == "":
		return ""
	case strings.Contains(p.Cgroup, "libpod"):
		return "podman"
	case strings.Contains(p.Cgroup, "kubepods"), strings.Contains(p.Cgroup, "cri-"), strings.Contains(p.Cgroup, "crio-"):
		return "crictl"
	}
	return "docker"
}

// shortID is as much of a container's id as its runtime shows.
func shortID(id string) string {
	const shown = 12
	return Printable(id[:min(shown, len(id))])
}

func (c *inquiry) stopSupervised(p *netstate.Process) []Remedy {
	if p.Container != "" {
		return []Remedy{{
			ID:       "stop-container",
			Title:    "Stop the container (it may come back after a kill)",
			Commands: []string{runtimeOf(p) + " stop " + ShellQuote(shortID(p.Container))},
			Effect:   "ends its processes and frees its ports",
		}}
	}
	return []Remedy{c.system.services().stop(c, p)}
}
