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
	About: `A process that systemd or a container runtime started is theirs to end: they may
start it again at once when somebody kills it. Stop the service or the
container instead; disable it too if it should stay away after a reboot.`,
	find: findSupervised,
}

func findSupervised(c *inquiry) []finding {
	holders := c.holders(func(_ row, _ netstate.Owner, p *netstate.Process) bool { return isSupervised(p) })
	var findings []finding
	for _, h := range holders {
		p := h.lead()
		findings = append(findings, finding{
			title:  fmt.Sprintf("%s %s run by %s", h.name(), h.verb("is", "are"), supervisor(p)),
			detail: fmt.Sprintf("%s %s to %s, which may start it again when it is killed.", h.name(), h.verb("belongs", "belong"), supervisor(p)),
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

// hosts are services that run other people's programs: what is in their
// control group is not what they look after.
var hosts = []string{
	"ssh.service", "sshd.service", "cron.service", "crond.service", "atd.service",
	"getty.target", "docker.service", "containerd.service", "podman.service",
}

// isSupervised tells whether a service manager or container runtime started
// the process, so that it is theirs to end. What a person started from a
// terminal is not, whatever its control group.
func isSupervised(p *netstate.Process) bool {
	if p.Container != "" {
		return true
	}
	return isService(p.Unit) && p.TTY == ""
}

func isService(unit string) bool {
	return strings.HasSuffix(unit, ".service") && !slices.Contains(hosts, unit) &&
		!strings.HasPrefix(unit, "user@") && !strings.HasPrefix(unit, "getty@") && !strings.HasPrefix(unit, "serial-getty@")
}

// supervision says how sure it is that the supervisor would start the process
// again: it is for the one that it started itself.
func supervision(p *netstate.Process) Certainty {
	if p.Container != "" || p.PPID == 1 || p.ParentName == "systemd" {
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
	return []Remedy{c.stopUnit(p)}
}

func (c *inquiry) stopUnit(p *netstate.Process) Remedy {
	return Remedy{
		ID:       "stop-unit",
		Title:    "Stop the service (it may come back after a kill)",
		Commands: []string{c.systemctl("stop", p)},
		Effect:   "ends its processes and does not start them again until the next boot",
		Needs:    rootNeeds(!p.UserUnit || c.isForeign(p)),
	}
}

// systemctl writes a command to the service manager that has the process.
func (c *inquiry) systemctl(verb string, p *netstate.Process) string {
	unit := ShellQuote(strings.TrimSuffix(p.Unit, ".service"))
	switch {
	case !p.UserUnit:
		return c.asRoot(fmt.Sprintf("systemctl %s %s", verb, unit))
	case c.isForeign(p) || c.readerIsRoot() && p.UID != nil && *p.UID != 0:
		return c.asRoot(fmt.Sprintf("systemctl --user --machine=%s %s %s", ShellQuote(p.User+"@.host"), verb, unit))
	}
	return fmt.Sprintf("systemctl --user %s %s", verb, unit)
}
