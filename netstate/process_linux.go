package netstate

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readProcesses fills in the processes that hold sockets, in the order of
// their pids.
func readProcesses(s *Snapshot, proc *procfs, holders map[uint64][]*holder) *processReader {
	var pids []int
	for _, of := range holders {
		for _, h := range of {
			pids = append(pids, h.PID)
		}
	}
	slices.Sort(pids)
	r := &processReader{proc: proc, stats: make(map[int]*processStat), cgroups: make(map[uint64]string)}
	for _, pid := range slices.Compact(pids) {
		if p, ok := r.process(pid); ok {
			s.Processes = append(s.Processes, p)
		}
	}
	s.Limits = append(s.Limits, r.limits...)
	return r
}

// setCgroups names the cgroups in which the sockets were made, as far as
// processes that have them are in the same ones.
func setCgroups(s *Snapshot, paths map[uint64]string) {
	for i := range s.Sockets {
		if socket := &s.Sockets[i]; len(socket.Owners) > 0 {
			socket.Cgroup = paths[socket.CgroupID]
		}
	}
}

// processReader reads facts about processes, and keeps what it has read of
// their ancestors and of the system.
type processReader struct {
	proc    *procfs
	stats   map[int]*processStat
	mounts  *cgroupMounts
	cgroups map[uint64]string // of version 2 that processes are in, by id
	drivers []byte
	limits  []Limit
	refused error // of the process that is being read
}

// stat returns what /proc/PID/stat says, nil for a process that is not there.
func (r *processReader) stat(pid int) *processStat {
	if stat, ok := r.stats[pid]; ok {
		return stat
	}
	var found *processStat
	if stat, err := r.statOf(strconv.Itoa(pid)); err == nil {
		found = &stat
	}
	r.stats[pid] = found
	return found
}

func (r *processReader) statOf(base string) (processStat, error) {
	text, err := r.read(base + "/stat")
	if err != nil {
		return processStat{}, err
	}
	return parseProcessStat(text)
}

// read and link notice what is refused.
func (r *processReader) read(name string) ([]byte, error) {
	text, err := r.proc.read(name)
	r.notice(name, err)
	return text, err
}

func (r *processReader) link(name string) (string, error) {
	text, err := r.proc.link(name)
	r.notice(name, err)
	return text, err
}

func (r *processReader) notice(name string, err error) {
	if denied(err) && r.refused == nil {
		r.refused = fmt.Errorf("/proc/%s: %w", name, err)
	}
}

// process reads one process; false if it is gone.
func (r *processReader) process(pid int) (Process, bool) {
	r.refused = nil
	first := r.stat(pid)
	if first == nil {
		return Process{}, false
	}
	base, stat := r.living(pid, *first)
	p := Process{
		PID: pid, PPID: first.ppid, PGID: first.pgid, SID: first.sid,
		Name:    first.name,
		Started: startTime(first.started),
		TTY:     r.terminal(first.terminal),
	}
	if text, err := r.read(base + "/cmdline"); err == nil {
		p.Command = parseCommandLine(text)
	}
	if link, err := r.link(base + "/exe"); err == nil {
		p.Exe, p.ExeDeleted = parseExecutable(link)
	}
	if text, err := r.read(base + "/status"); err == nil {
		status := parseProcessStatus(text)
		p.UID = status.uid
		p.Tracer = r.ref(status.tracer)
	}
	p.setFamily(r.relative)
	r.cgroup(&p, base)
	r.state(&p, stat)
	if r.refused != nil {
		r.limits = append(r.limits, Limit{
			Kind: LimitProcess,
			What: fmt.Sprintf("facts about process %d (%s)", pid, p.Name),
			Why:  r.refused.Error(),
		})
	}
	return p, true
}

// living is where a process is to be read: in its own directory, and in a
// living thread's if its first thread has exited. /proc shows such a process
// as a zombie without arguments and executable.
func (r *processReader) living(pid int, first processStat) (string, processStat) {
	base := strconv.Itoa(pid)
	if !exited(first.state) || first.threads <= 1 {
		return base, first
	}
	tids, _ := r.proc.numbers(base + "/task")
	for _, tid := range tids {
		thread := taskPath(pid, tid)
		if tid == pid {
			continue
		}
		if stat, err := r.statOf(thread); err == nil && !exited(stat.state) {
			return thread, stat
		}
	}
	return base, first
}

// relative is what the search through the ancestors looks at, nil for a
// process that can't be seen.
func (r *processReader) relative(pid int) *relative {
	stat := r.stat(pid)
	if stat == nil {
		return nil
	}
	return &relative{stat.name, stat.ppid, stat.pgid, stat.sid, r.terminal(stat.terminal)}
}

// ref names a process, nil for one that can't be seen.
func (r *processReader) ref(pid int) *ProcessRef {
	if pid == 0 {
		return nil
	}
	if stat := r.stat(pid); stat != nil {
		return &ProcessRef{PID: pid, Name: stat.name}
	}
	return nil
}

// terminal names a terminal by its number.
func (r *processReader) terminal(device uint32) string {
	name := terminalName(device, r.drivers)
	if device == 0 || r.drivers != nil || name[0] < '0' || name[0] > '9' {
		return name
	}
	r.drivers = readFile("/proc/tty/drivers")
	return terminalName(device, r.drivers)
}

// cgroup fills in what the process's cgroups say.
func (r *processReader) cgroup(p *Process, base string) {
	text, err := r.read(base + "/cgroup")
	if err != nil {
		return
	}
	paths := parseCgroups(text)
	p.Cgroup = paths.main()
	p.Unit, p.UserUnit = unitOf(p.Cgroup)
	p.Container = containerOf(p.Cgroup)
	if p.Cgroup == "" || p.Cgroup == "/" {
		return // the root can't be frozen
	}
	if r.mounts == nil {
		mounts := readCgroupMounts(r.proc)
		r.mounts = &mounts
	}
	if directory, frozen := r.mounts.frozenBy(paths); frozen {
		p.FrozenBy, p.State = directory, Frozen
	}
	var status unix.Stat_t
	if directory, ok := r.mounts.unified.directory(paths.unified); ok && unix.Stat(directory, &status) == nil {
		r.cgroups[status.Ino] = paths.unified
	}
}

// state fills in the state of a process whose cgroup has been looked at. Being
// stopped or traced outlives a thaw and counts more than being frozen.
func (r *processReader) state(p *Process, stat processStat) {
	switch {
	case exited(stat.state):
		p.State = Zombie
	case stat.state == 'T':
		p.State = Stopped
		if signal := syscall.Signal(stat.exitCode & 0x7f); signal != 0 {
			p.StopSignal = unix.SignalName(signal)
		}
		p.StoppedFor = r.stoppedFor(p.PID, stat)
	case stat.state == 't':
		p.State = Traced
	case p.State == "":
		p.State = Running
	}
}

// startTime converts the start of a process, in clock ticks since boot. The
// kernel's clock tick for user space is 1/100 s on every architecture that Go
// supports (USER_HZ).
func startTime(ticks uint64) time.Time {
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		return time.Time{}
	}
	age := time.Duration(boot.Nano()) - time.Duration(ticks)*10*time.Millisecond
	return time.Now().UTC().Add(-age).Round(10 * time.Millisecond)
}

// canListen looks at the program that a process runs; nil also where it may
// not be read.
func canListen(proc *procfs, p Process) *bool {
	program, err := os.Open(fmt.Sprintf("/proc/%d/exe", p.PID))
	if err != nil {
		return nil
	}
	defer program.Close()
	answer := programCanListen(program)
	if answer == nil {
		return nil
	}
	maps, err := proc.read(strconv.Itoa(p.PID) + "/maps")
	if err != nil || len(maps) >= longestFile || !onlyHarmlessCode(string(maps), p.Exe) {
		return nil
	}
	return answer
}
