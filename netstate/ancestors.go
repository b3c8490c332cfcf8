package netstate

import "slices"

// relative is what is known of a process that may be an ancestor.
type relative struct {
	name            string
	ppid, pgid, sid int
	tty             string
}

// setFamily fills in what is known of a process's ancestors. find returns nil
// for a process that can't be seen.
func (p *Process) setFamily(find func(pid int) *relative) {
	for pid := p.PPID; pid != 0 && !slices.Contains(p.Ancestors, pid); {
		ancestor := find(pid)
		if ancestor == nil {
			return
		}
		if len(p.Ancestors) == 0 {
			p.ParentName = ancestor.name
		}
		p.Ancestors = append(p.Ancestors, pid)
		sameTerminal := p.TTY != "" && ancestor.sid == p.SID && ancestor.tty == p.TTY
		if p.Shell == nil && sameTerminal && ancestor.pgid != p.PGID {
			p.Shell = &ProcessRef{PID: pid, Name: ancestor.name}
		}
		pid = ancestor.ppid
	}
}
