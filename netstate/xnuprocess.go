package netstate

import (
	"fmt"
	"slices"
	"time"
)

// The values are those of xnu-11417 bsd/sys/proc.h.
const (
	xnuStopped = 4     // SSTOP, also of a process that a debugger has stopped
	xnuZombie  = 5     // SZOMB
	xnuTraced  = 0x800 // P_TRACED in p_flag
)

// xnuProcess is what the sysctl kern.proc.pid of macOS says of a process
// (struct kinfo_proc).
type xnuProcess struct {
	pid, ppid, pgid, sid int
	// formerParent is the parent while a debugger is that, else 0 (p_oppid).
	formerParent int
	name         string
	uid          uint32
	status       int8
	flags        int32
	// signal is what stopped it; of a zombie it is its exit status (p_xstat).
	signal  uint16
	started time.Time
	tty     string
}

// parent is the one that started it. A debugger takes a parent's place
// (ptrace(2)), and is its tracer.
func (x *xnuProcess) parent() int {
	if x.traced() && x.formerParent != 0 {
		return x.formerParent
	}
	return x.ppid
}

func (x *xnuProcess) traced() bool { return x.flags&xnuTraced != 0 }

func (x *xnuProcess) setState(p *Process) {
	switch {
	case x.status == xnuZombie:
		p.State = Zombie
	case x.status == xnuStopped && x.traced():
		p.State = Traced
	case x.status == xnuStopped:
		p.State, p.StopSignal = Stopped, bsdStopSignal(x.signal)
	default:
		p.State = Running
	}
}

// xnuProcesses reads processes, and keeps what it has read.
type xnuProcesses struct {
	// find reads one process, nil for one that is gone.
	find func(pid int) *xnuProcess
	// arguments is kern.procargs2 of a process.
	arguments func(pid int) ([]byte, error)
	known     map[int]*xnuProcess
}

func (r *xnuProcesses) get(pid int) *xnuProcess {
	if x, ok := r.known[pid]; ok {
		return x
	}
	x := r.find(pid)
	r.known[pid] = x
	return x
}

func (r *xnuProcesses) relative(pid int) *relative {
	x := r.get(pid)
	if x == nil {
		return nil
	}
	return &relative{x.name, x.parent(), x.pgid, x.sid, x.tty}
}

// session is that of a process, 0 for one that is gone.
func (r *xnuProcesses) session(pid int) int {
	if x := r.get(pid); x != nil {
		return x.sid
	}
	return 0
}

// read fills in the processes that the sockets name, in the order of their
// pids; those that are gone are left out. That the command of one which is only
// the last user can't be read is no limit: whether it matters is not known
// either, which the limit of the owners says.
func (r *xnuProcesses) read(s *Snapshot, sockets []Socket) {
	pids, owners := namedProcesses(sockets)
	for _, pid := range pids {
		x := r.get(pid)
		if x == nil {
			continue
		}
		p, err := r.process(x)
		s.Processes = append(s.Processes, p)
		if err != nil && owners[pid] {
			s.Limits = append(s.Limits, Limit{
				Kind: LimitProcess,
				What: fmt.Sprintf("the command and the executable of process %d (%s)", pid, p.Name),
				Why:  err.Error(),
			})
		}
	}
}

// process is complete but for its command where there is an error.
func (r *xnuProcesses) process(x *xnuProcess) (Process, error) {
	p := Process{
		PID: x.pid, PPID: x.parent(), PGID: x.pgid, SID: x.sid,
		Name: x.name, UID: &x.uid, Started: x.started, TTY: x.tty,
	}
	x.setState(&p)
	if tracer := r.get(x.ppid); x.traced() && x.ppid != p.PPID && tracer != nil {
		p.Tracer = &ProcessRef{PID: x.ppid, Name: tracer.name}
	}
	p.setFamily(r.relative)
	if p.State == Zombie {
		return p, nil // has no arguments any more
	}
	data, err := r.arguments(x.pid)
	if err != nil {
		return p, fmt.Errorf("kern.procargs2: %w", err)
	}
	p.Exe, p.Command, err = parseProcessArguments(data)
	return p, err
}

// namedProcesses are the pids of the sockets' owners and last users, in order,
// and which of them are owners.
func namedProcesses(sockets []Socket) (pids []int, owners map[int]bool) {
	owners = make(map[int]bool)
	for _, s := range sockets {
		for _, o := range s.Owners {
			pids = append(pids, o.PID)
			owners[o.PID] = true
		}
		if s.LastPID != 0 {
			pids = append(pids, s.LastPID)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids), owners
}
