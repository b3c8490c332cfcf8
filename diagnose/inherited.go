package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"portdoc/netstate"
)

var inherited = Kind{
	ID:    "inherited",
	Title: "Its holder got the socket from a parent",
	About: `A program that starts another one passes on every socket that is not marked
close-on-exec. The child usually does not know that it has it. When the parent
ends the port stays taken, by a program that never opened it: sleep, ssh, a
media player. End that program; and in the one that opened the socket set
SOCK_CLOEXEC (or FD_CLOEXEC), which most languages do by default today. On
Windows the same happens with handles that can be inherited.`,
	find: findInherited,
}

// inheritance is why a process is believed not to have opened a socket that it
// has.
type inheritance struct {
	evidence string
	// opener is the parent that still has the socket too, nil if it is gone.
	opener    *netstate.Process
	certainty Certainty
}

func findInherited(c *inquiry) []finding {
	holders := c.holders(func(r row, owner netstate.Owner, p *netstate.Process) bool {
		return !isSuspended(p) && c.inheritance(r, owner) != nil
	})
	var findings []finding
	for _, h := range holders {
		how := c.inheritanceOf(h)
		origin, summary := "The program that opened it is gone; the port is taken for as long as anybody has the socket.", "inherited it from a program that is gone"
		if how.opener != nil {
			opener := fmt.Sprintf("%s (pid %d)", labelOf(how.opener), how.opener.PID)
			origin = fmt.Sprintf("%s opened it. If that ends, %s still has the port.", opener, labelOf(h.lead()))
			summary = "inherited it from " + opener
		}
		findings = append(findings, finding{
			title:     fmt.Sprintf("%s inherited the socket", h.name()),
			detail:    sentences(fmt.Sprintf("%s %s the socket%s and did not open it: %s.", h.name(), h.verb("has", "have"), c.heldSince(h.lead()), how.evidence), origin),
			summary:   fmt.Sprintf("%s is taken: %s %s", c.label(), h.name(), summary),
			rows:      h.rows,
			pids:      h.pids(),
			certainty: how.certainty,
			remedies:  append(c.end(h), c.avoidInheritance()),
		})
	}
	return append(findings, c.findHeirs()...)
}

// findHeirs are the processes that a program started which is gone, where the
// system names that as the owner of a socket that is still there. That they
// have inherited it can't be seen.
func (c *inquiry) findHeirs() []finding {
	var findings []finding
	for i, r := range c.rows {
		heirs := c.heirs(r)
		if !r.blocks || len(heirs) == 0 {
			continue
		}
		h := &holder{heads: heirs, rows: []int{i}}
		findings = append(findings, finding{
			title: fmt.Sprintf("%s inherited the socket", h.name()),
			detail: fmt.Sprintf("The system says that pid %d has the socket on %s, and no such process runs any more. %s started by it and still %s: most likely %s inherited the socket.",
				r.LastPID, c.places(h.rows), h.name()+h.verb(" was", " were"), h.verb("runs", "run"), h.verb("it has", "they have")),
			summary:   fmt.Sprintf("%s is taken: %s most likely inherited it from pid %d, which is gone", c.label(), h.name(), r.LastPID),
			rows:      h.rows,
			pids:      h.pids(),
			certainty: Likely,
			remedies:  append(c.end(h), c.avoidInheritance()),
		})
	}
	return merged(findings)
}

// merged joins findings that are about the same processes.
func merged(findings []finding) []finding {
	var kept []finding
	for _, f := range findings {
		i := slices.IndexFunc(kept, func(other finding) bool { return slices.Equal(other.pids, f.pids) })
		if i < 0 {
			kept = append(kept, f)
			continue
		}
		kept[i].rows = append(kept[i].rows, f.rows...)
	}
	return kept
}

// heirs are the processes that the maker of a socket has started since it made
// the socket, if it has ended and nobody else is known to have it.
func (c *inquiry) heirs(r row) []*netstate.Process {
	if len(r.Owners) > 0 || r.LastPID == 0 || c.processes[r.LastPID] != nil || r.leftover() {
		return nil
	}
	var heirs []*netstate.Process
	for _, p := range c.processes {
		descends := p.PPID == r.LastPID || slices.Contains(p.Ancestors, r.LastPID)
		// A pid is given to another process later, whose children are others.
		before := !p.Started.IsZero() && p.Started.Before(r.Created)
		if descends && !before {
			heirs = append(heirs, p)
		}
	}
	slices.SortFunc(heirs, func(a, b *netstate.Process) int { return cmp.Compare(a.PID, b.PID) })
	return heirs
}

func (c *inquiry) avoidInheritance() Remedy {
	return Remedy{
		ID:     "close-on-exec",
		Title:  "So that it never happens again, " + c.system.facts().notInherited,
		Effect: "programs that it starts no longer get its sockets",
	}
}

func (c *inquiry) heldSince(p *netstate.Process) string {
	if since := c.since(p); since != "" {
		return " (it was started " + since + " ago)"
	}
	return ""
}

// inheritanceOf is that of the holder's first row.
func (c *inquiry) inheritanceOf(h *holder) *inheritance {
	for _, i := range h.rows {
		for _, owner := range c.rows[i].Owners {
			if owner.PID == h.lead().PID {
				if how := c.inheritance(c.rows[i], owner); how != nil {
					return how
				}
			}
		}
	}
	return &inheritance{certainty: Likely}
}

// inheritance weighs the evidence that an owner of r got it from a parent,
// strongest first, and returns nil where there is none. A process that waits
// for the socket knows that it has it: it was handed over on purpose.
func (c *inquiry) inheritance(r row, owner netstate.Owner) *inheritance {
	p := c.process(owner.PID)
	if !r.holds() || owner.Waits == netstate.WaitsYes && !c.abandoned(r) {
		return nil
	}
	switch {
	case c.opener(r, p) != nil:
		opener := c.opener(r, p)
		return &inheritance{
			evidence:  fmt.Sprintf("%s, which started it and is another program, has the same socket", labelOf(opener)),
			opener:    opener,
			certainty: Certain,
		}
	case c.abandoned(r):
		return &inheritance{
			evidence:  fmt.Sprintf("%s have it, and none of them started the others", count(len(r.Owners), "process")),
			certainty: Certain,
		}
	case isFalse(p.CanListen) && isFalse(owner.CloseOnExec):
		return &inheritance{evidence: "its program can't listen", certainty: Certain}
	case len(r.Owners) == 1 && isOrphan(p) && !isService(p.Unit) && owner.Waits == netstate.WaitsNo && isFalse(owner.CloseOnExec):
		return &inheritance{evidence: "its parent is gone, and nothing in it waits for the socket", certainty: Likely}
	}
	return nil
}

// opener is the nearest ancestor of p that has r too and runs another program.
// The system's first process does not count: it hands sockets over on purpose.
func (c *inquiry) opener(r row, p *netstate.Process) *netstate.Process {
	for _, pid := range p.Ancestors {
		ancestor := c.processes[pid]
		if pid > 1 && ancestor != nil && owns(r, pid) && !sameProgram(p, ancestor) {
			return ancestor
		}
	}
	return nil
}

func owns(r row, pid int) bool {
	return slices.ContainsFunc(r.Owners, func(o netstate.Owner) bool { return o.PID == pid })
}

// abandoned tells whether several processes have r that can only have got it
// from one who is gone: all are orphans, and none descends from another.
func (c *inquiry) abandoned(r row) bool {
	if len(r.Owners) < 2 {
		return false
	}
	for _, owner := range r.Owners {
		p := c.process(owner.PID)
		related := slices.ContainsFunc(p.Ancestors, func(pid int) bool { return owns(r, pid) })
		if !isOrphan(p) || related {
			return false
		}
	}
	return true
}

// reapers are the programs that become the parent of orphans.
var reapers = []string{"systemd", "init", "tini", "dumb-init", "docker-init", "catatonit", "conmon"}

// isOrphan tells whether the process's parent is one that adopts orphans.
func isOrphan(p *netstate.Process) bool {
	name := cmp.Or(p.ParentName, "?")
	return p.PPID == 1 || slices.Contains(reapers, name) || strings.HasPrefix(name, "containerd-shim")
}
