package netstate

import (
	"cmp"
	"slices"
)

// processTree is all processes of a system that gives the number of a process
// that has ended to a new one, and that leaves the number of its parent to a
// process whose parent has ended (Windows).
type processTree map[int]*systemProcess

func newProcessTree(list []systemProcess) processTree {
	tree := make(processTree, len(list))
	for i := range list {
		tree[list[i].pid] = &list[i]
	}
	return tree
}

// parent is the process that made p, nil if it has ended. One that began after
// p only has its number.
func (t processTree) parent(p *systemProcess) *systemProcess {
	parent := t[p.parent]
	if parent == nil || p.pid == 0 || parent.pid == p.pid || parent.created.After(p.created) {
		return nil
	}
	return parent
}

// parentID is the number of p's parent, also of one that has ended; 0 if
// another process has that number now.
func (t processTree) parentID(p *systemProcess) int {
	if t[p.parent] != nil && t.parent(p) == nil {
		return 0
	}
	return p.parent
}

// ancestors are the numbers of p's parent, its parent's parent and so on. The
// last may be of a process that has ended.
func (t processTree) ancestors(p *systemProcess) []int {
	var pids []int
	for p != nil {
		pid := t.parentID(p)
		if pid == 0 || slices.Contains(pids, pid) {
			break
		}
		pids = append(pids, pid)
		p = t.parent(p)
	}
	return pids
}

// heirs are the processes that may have inherited a socket from one that has
// ended: its descendants that began after the socket was made.
func (t processTree) heirs(s *Socket) []*systemProcess {
	var heirs []*systemProcess
	for _, p := range t {
		if !p.created.Before(s.Created) && slices.Contains(t.ancestors(p), s.LastPID) {
			heirs = append(heirs, p)
		}
	}
	slices.SortFunc(heirs, func(a, b *systemProcess) int { return cmp.Compare(a.pid, b.pid) })
	return heirs
}

// setOwner gives the socket to the process that the system names. That it
// names one does not mean that it still lives: another process can have
// inherited the socket from it.
func (t processTree) setOwner(s *Socket, pid int) {
	switch {
	case pid == 0:
	case t == nil || t[pid] != nil:
		s.Owners = []Owner{{PID: pid}}
	default:
		s.LastPID = pid
	}
}

// owned are the sockets of rows with their owners.
func (t processTree) owned(rows ownerRows) []Socket {
	var sockets []Socket
	for _, row := range rows {
		t.setOwner(&row.Socket, row.pid)
		sockets = append(sockets, row.Socket)
	}
	return sockets
}
