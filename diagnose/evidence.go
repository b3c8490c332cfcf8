package diagnose

import (
	"cmp"
	"fmt"
	"slices"

	"portdoc/netstate"
)

// socketTable returns the rows of the report and for each row of the inquiry
// the id under which it is there. Leftovers that differ only in their remote
// end are one row when there are more than mostAlike of them.
func (c *inquiry) socketTable() (table []Socket, ids []int) {
	const mostAlike = 16
	type kind struct {
		state  netstate.State
		local  string
		blocks bool
	}
	kindOf := func(r row) kind { return kind{r.State, r.Local.String(), r.blocks} }
	alike := map[kind]int{}
	for _, r := range c.rows {
		if r.folds() {
			alike[kindOf(r)]++
		}
	}
	table, ids = []Socket{}, make([]int, len(c.rows))
	folded := map[kind]int{}
	for i, r := range c.rows {
		fold := !c.question.AllSockets && r.folds() && alike[kindOf(r)] > mostAlike
		if id, ok := folded[kindOf(r)]; fold && ok {
			table[id].add(r)
			ids[i] = id
			continue
		}
		ids[i] = len(table)
		socket := c.socket(ids[i], r)
		if fold {
			folded[kindOf(r)] = ids[i]
			socket.Remote, socket.UID, socket.User = nil, nil, nil
		}
		table = append(table, socket)
	}
	return table, ids
}

// folds tells whether the row may be folded with others: nobody owns it.
func (r row) folds() bool { return r.Inode == 0 && len(r.Owners) == 0 }

// add folds another row into s, which keeps the timer that ends last.
func (s *Socket) add(r row) {
	s.Count++
	if t := r.timer(); t != nil && (s.Timer == nil || s.Timer.RemainingSeconds < t.RemainingSeconds) {
		s.Timer = t
	}
}

func (r row) timer() *Timer {
	if r.Timer == nil {
		return nil
	}
	return &Timer{Kind: string(r.Timer.Kind), RemainingSeconds: float64(r.Timer.RemainingMilliseconds) / 1000}
}

func (c *inquiry) socket(id int, r row) Socket {
	s := Socket{
		ID:      id,
		Network: string(r.Network),
		Family:  string(r.Family),
		Local:   r.path,
		State:   string(r.State),
		UID:     r.UID,
		User:    optional(c.userName(r.UID)),
		Inode:   r.Inode,
		PIDs:    []int{},
		Blocks:  r.blocks,
		Timer:   r.timer(),
		Options: Options{ReuseAddr: r.Options.ReuseAddr, ReusePort: r.Options.ReusePort, V6Only: r.Options.V6Only},
		Device:  optional(r.Device),
		Cgroup:  optional(r.Cgroup),
		Count:   1,
	}
	if r.Local.IsValid() {
		s.Local = r.Local.String()
	}
	if r.Remote.IsValid() {
		s.Remote = optional(r.Remote.String())
	}
	for _, owner := range r.Owners {
		s.PIDs = append(s.PIDs, owner.PID)
	}
	if len(s.PIDs) == 0 && r.LastPID != 0 {
		s.LastPID = &r.LastPID
	}
	return s
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// userName is the name of a user id, "" where the snapshot has none.
func (c *inquiry) userName(uid *uint32) string {
	if uid == nil {
		return ""
	}
	if name := c.snapshot.Users[*uid]; name != "" {
		return name
	}
	if mine := c.snapshot.Policy.UID; mine != nil && *mine == *uid {
		return c.snapshot.Host.User
	}
	for _, p := range c.snapshot.Processes {
		if p.UID != nil && *p.UID == *uid && p.User != "" {
			return p.User
		}
	}
	return ""
}

// processTable has the processes that own a socket of the table or that a
// cause names, by pid.
func (c *inquiry) processTable(sockets []Socket) []Process {
	table := []Process{}
	seen := map[int]bool{}
	add := func(pids []int) {
		for _, pid := range pids {
			if p := c.processes[pid]; p != nil && !seen[pid] {
				seen[pid] = true
				table = append(table, c.reportProcess(p))
			}
		}
	}
	for _, s := range sockets {
		add(s.PIDs)
	}
	for _, f := range c.findings {
		add(f.pids)
	}
	slices.SortFunc(table, func(a, b Process) int { return a.PID - b.PID })
	return table
}

func (c *inquiry) reportProcess(p *netstate.Process) Process {
	command := p.Command
	if command == nil {
		command = []string{}
	}
	return Process{
		PID:         p.PID,
		PPID:        p.PPID,
		Name:        p.Name,
		Command:     command,
		Exe:         p.Exe,
		ExeDeleted:  p.ExeDeleted,
		User:        p.User,
		State:       string(p.State),
		StateDetail: c.stateDetail(p),
		TTY:         optional(p.TTY),
		Started:     p.Started,
		PGID:        p.PGID,
		SID:         p.SID,
		Shell:       reportRef(p.Shell),
		Tracer:      reportRef(p.Tracer),
		Unit:        optional(cmp.Or(p.Unit, few(p.Services))),
		Container:   optional(p.Container),
	}
}

func reportRef(ref *netstate.ProcessRef) *ProcessRef {
	if ref == nil {
		return nil
	}
	return &ProcessRef{PID: ref.PID, Name: ref.Name}
}

// stateDetail says what made a process's state.
func (c *inquiry) stateDetail(p *netstate.Process) string {
	switch {
	case p.State == netstate.Stopped && c.system.facts().stopped != "":
		return "all threads " + c.system.facts().stopped
	case p.State == netstate.Stopped && p.StopSignal != "":
		return fmt.Sprintf("job control (%s)", p.StopSignal)
	case p.State == netstate.Stopped:
		return "job control"
	case p.State == netstate.Traced && p.Tracer != nil:
		return "by " + refName(p.Tracer)
	case p.State == netstate.Frozen && p.FrozenBy != "":
		return "by the cgroup " + Printable(p.FrozenBy)
	}
	return ""
}

func refName(ref *netstate.ProcessRef) string {
	return fmt.Sprintf("%s (pid %d)", Printable(ref.Name), ref.PID)
}
