package diagnose

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"portdoc/netstate"
)

// holder is a program that has sockets open: one process, or several of the
// same program that one parent started.
type holder struct {
	// heads are the processes to act on; workers share sockets with a head
	// that they descend from.
	heads, workers []*netstate.Process
	rows           []int
}

// lead is the process that stands for all.
func (h *holder) lead() *netstate.Process { return h.heads[0] }

// everyone are all its processes.
func (h *holder) everyone() []*netstate.Process { return slices.Concat(h.heads, h.workers) }

func (h *holder) pids() []int {
	var pids []int
	for _, p := range h.everyone() {
		pids = append(pids, p.PID)
	}
	slices.Sort(pids)
	return pids
}

// holders returns the programs that own blocking rows, as far as pick wants
// them, in the order of their rows.
func (c *inquiry) holders(pick func(r row, owner netstate.Owner, p *netstate.Process) bool) []*holder {
	owned := map[int][]int{}
	var pids []int
	for i, r := range c.rows {
		if !r.blocks {
			continue
		}
		for _, owner := range r.Owners {
			if !pick(r, owner, c.process(owner.PID)) {
				continue
			}
			if owned[owner.PID] == nil {
				pids = append(pids, owner.PID)
			}
			owned[owner.PID] = append(owned[owner.PID], i)
		}
	}
	return c.group(pids, owned)
}

// group makes holders of processes and the rows of each.
func (c *inquiry) group(pids []int, owned map[int][]int) []*holder {
	type key struct {
		program, user, unit, container string
		parent, group                  int
	}
	var holders []*holder
	byKey := map[key]*holder{}
	for _, pid := range pids {
		p := c.process(pid)
		head := c.head(p, owned)
		k := key{program(head), userOf(head), head.Unit, head.Container, head.PPID, head.PGID}
		h := byKey[k]
		if h == nil {
			h = &holder{}
			byKey[k] = h
			holders = append(holders, h)
		}
		if head.PID == pid {
			h.heads = append(h.heads, p)
		} else {
			h.workers = append(h.workers, p)
		}
		h.rows = append(h.rows, owned[pid]...)
	}
	byPID := func(a, b *netstate.Process) int { return cmp.Compare(a.PID, b.PID) }
	for _, h := range holders {
		slices.SortFunc(h.heads, byPID)
		slices.SortFunc(h.workers, byPID)
		slices.Sort(h.rows)
		h.rows = slices.Compact(h.rows)
	}
	return holders
}

// head is the outermost ancestor of p that runs the same program and is among
// the owners, or p itself.
func (c *inquiry) head(p *netstate.Process, owned map[int][]int) *netstate.Process {
	head := p
	for _, pid := range p.Ancestors {
		if ancestor := c.processes[pid]; owned[pid] != nil && ancestor != nil && sameProgram(p, ancestor) {
			head = ancestor
		}
	}
	return head
}

// process is what the snapshot knows of a pid, which may be nothing else.
func (c *inquiry) process(pid int) *netstate.Process {
	if p := c.processes[pid]; p != nil {
		return p
	}
	return &netstate.Process{PID: pid}
}

func program(p *netstate.Process) string { return cmp.Or(p.Exe, p.Name) }

// sameProgram compares the executables, or the names where one is not known.
func sameProgram(a, b *netstate.Process) bool {
	if a.Exe != "" && b.Exe != "" {
		return a.Exe == b.Exe
	}
	return a.Name == b.Name
}

func userOf(p *netstate.Process) string {
	if p.UID == nil {
		return p.User
	}
	return fmt.Sprint(*p.UID)
}

// Label is what to call the process: its command as it was typed, if that is
// short, or else its name. It is safe to print.
func (p Process) Label() string { return processLabel(p.Name, p.Command) }

func processLabel(name string, command []string) string {
	const short = 24
	if len(command) > 0 {
		typed := command[0]
		if isWindowsPath(typed) {
			typed = ProgramName(typed) // few people type it with its folder
		}
		if typed != "" && len(typed) <= short && !strings.ContainsAny(typed, " \t") {
			return Printable(typed)
		}
	}
	if name == "" && len(command) > 0 {
		name = ProgramName(command[0])
	}
	return Printable(cmp.Or(name, "a process"))
}

// ProgramName is the last part of a program's path, which may be one of
// Windows.
func ProgramName(program string) string {
	if isWindowsPath(program) {
		return program[strings.LastIndexAny(program, `\/`)+1:]
	}
	return path.Base(program)
}

// isWindowsPath tells whether a path begins with a drive or with a server.
func isWindowsPath(name string) bool {
	return strings.HasPrefix(name, `\\`) || len(name) > 2 && name[1] == ':' && (name[2] == '\\' || name[2] == '/')
}

func labelOf(p *netstate.Process) string { return processLabel(p.Name, p.Command) }

// verb is the form of a verb that goes with the holder's name.
func (h *holder) verb(one, more string) string { return pick(len(h.heads), one, more) }

// name says which processes, "./server (pid 4211)".
func (h *holder) name() string {
	label := labelOf(h.lead())
	switch {
	case len(h.heads) == 1 && len(h.workers) == 0:
		return fmt.Sprintf("%s (pid %d)", label, h.lead().PID)
	case len(h.heads) == 1:
		return fmt.Sprintf("%s (pid %d, with %s)", label, h.lead().PID, count(len(h.workers), "worker"))
	}
	return fmt.Sprintf("%s (pids %s)", label, few(pidWords(h.heads)))
}

func pidWords(processes []*netstate.Process) []string {
	var words []string
	for _, p := range processes {
		words = append(words, fmt.Sprint(p.PID))
	}
	return words
}

// places says at which local addresses its rows are.
func (c *inquiry) places(rows []int) string {
	var places []string
	seen := map[string]bool{}
	for _, i := range rows {
		if place := c.rows[i].where(); !seen[place] {
			seen[place] = true
			places = append(places, place)
		}
	}
	return few(places)
}

// ownersOf names the owners of a row for people.
func (c *inquiry) ownersOf(r row) string {
	var names []string
	for _, owner := range r.Owners {
		names = append(names, fmt.Sprintf("%s (pid %d)", labelOf(c.process(owner.PID)), owner.PID))
	}
	if len(names) == 0 {
		return "somebody who can't be seen"
	}
	return few(names)
}

// since says for how long a process has run, "" where that is not known.
func (c *inquiry) since(p *netstate.Process) string {
	age := c.snapshot.Taken.Sub(p.Started)
	if p.Started.IsZero() || age < 0 {
		return ""
	}
	return span(age)
}

// isSuspended tells whether the process does not run and so can't let go.
func isSuspended(p *netstate.Process) bool {
	return p.State == netstate.Stopped || p.State == netstate.Traced || p.State == netstate.Frozen
}
