package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"portdoc/netstate"
)

// rootNeeds is what a remedy needs that is for root.
func rootNeeds(needed bool) []string {
	if needed {
		return []string{"root"}
	}
	return nil
}

// asRoot writes a command for root.
func (c *inquiry) asRoot(command string) string {
	if c.readerIsRoot() {
		return command
	}
	return "sudo " + command
}

func (c *inquiry) readerIsRoot() bool {
	uid := c.snapshot.Policy.UID
	return uid != nil && *uid == 0
}

// isForeign tells whether the reader needs root to signal the process.
func (c *inquiry) isForeign(p *netstate.Process) bool {
	mine := c.snapshot.Policy.UID
	if c.readerIsRoot() || mine == nil || p.UID == nil {
		return false
	}
	return *mine != *p.UID
}

// signal writes the command that sends a signal to processes.
func (c *inquiry) signal(name string, processes []*netstate.Process) string {
	pids := strings.Join(pidWords(processes), " ")
	if c.snapshot.Host.OS == "windows" {
		return "Stop-Process -Id " + strings.ReplaceAll(pids, " ", ",")
	}
	command := fmt.Sprintf("kill -%s %s", name, pids)
	if slices.ContainsFunc(processes, c.isForeign) {
		return "sudo " + command
	}
	return command
}

// end are the remedies that end a holder, a polite one and the last resort.
// There are none for what somebody would start again, and for the system's
// first process.
func (c *inquiry) end(h *holder) []Remedy {
	if !c.mayEnd(h) {
		return nil
	}
	foreign := slices.ContainsFunc(h.heads, c.isForeign)
	title := "End " + h.name()
	if tty := h.lead().TTY; tty != "" && len(h.heads) == 1 {
		title += fmt.Sprintf(", with Ctrl+C in its terminal (%s) or from here", Printable(tty))
	}
	return []Remedy{
		{
			ID:       "end",
			Title:    title,
			Commands: []string{c.signal("TERM", h.heads)},
			Effect:   "asks it to close its sockets and end",
			Risk:     NoRisk,
			Needs:    rootNeeds(foreign),
		},
		c.kill(h, slices.Concat(h.heads, h.workers)),
	}
}

func (c *inquiry) mayEnd(h *holder) bool {
	return !slices.ContainsFunc(h.heads, func(p *netstate.Process) bool {
		return p.PID == 1 || isSupervised(p) || proxied(p) != ""
	})
}

// kill is the last resort. It names the workers too: they would live on.
func (c *inquiry) kill(h *holder, processes []*netstate.Process) Remedy {
	return Remedy{
		ID:       "kill",
		Title:    "Last resort, unsaved work of " + labelOf(h.lead()) + " is lost",
		Commands: []string{c.signal("KILL", processes)},
		Effect:   "ends it at once, whatever it is doing",
		Risk:     LosesWork,
		Needs:    rootNeeds(slices.ContainsFunc(processes, c.isForeign)),
	}
}
