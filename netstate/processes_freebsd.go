package netstate

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// readProcesses fills in the processes that hold sockets, in the order of
// their pids.
func readProcesses(s *Snapshot) {
	pids := ownerPIDs(s)
	if len(pids) == 0 {
		return
	}
	r := processReader{known: make(map[int]*freebsdProcess)}
	s.Processes = freebsdProcesses(pids, r.lookup, r.terminal)
	setRCUnits(s.Processes, readRCServices(os.DirFS("/")), r.lookup)
	for i := range s.Processes {
		p := &s.Processes[i]
		p.Command, p.Exe = commandOf(p.PID), executableOf(p.PID)
	}
	s.limitProcesses(r.failure)
}

// processReader asks the kernel for each process once.
type processReader struct {
	known     map[int]*freebsdProcess
	terminals map[uint64]string
	failure   error
}

// lookup reads one process, nil for one that is not there or may not be seen.
func (r *processReader) lookup(pid int) *freebsdProcess {
	if pid <= 0 {
		return nil
	}
	if p, ok := r.known[pid]; ok {
		return p
	}
	r.known[pid] = nil
	record, err := unix.SysctlRaw("kern.proc.pid", pid)
	if err == nil && len(record) > 0 {
		var p freebsdProcess
		if p, err = decodeFreeBSDProcess(record); err == nil {
			r.known[pid] = &p
		}
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		r.failure = err
	}
	return r.known[pid]
}

// terminal names a terminal by its device number, as "pts/3".
func (r *processReader) terminal(device uint64) string {
	if device == 0 {
		return ""
	}
	if r.terminals == nil {
		r.terminals = readTerminals()
	}
	return r.terminals[device]
}

// readTerminals finds the device numbers of terminals, by pty(4) and vt(4).
func readTerminals() map[uint64]string {
	names := make(map[uint64]string)
	for _, pattern := range []string{"/dev/pts/*", "/dev/tty*", "/dev/console"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			var stat unix.Stat_t
			if unix.Stat(path, &stat) == nil {
				names[stat.Rdev] = strings.TrimPrefix(path, "/dev/")
			}
		}
	}
	return names
}

// commandOf is the argument vector of a process, nil where it may not be read.
func commandOf(pid int) []string {
	text, err := unix.SysctlRaw("kern.proc.args", pid)
	if err != nil || len(text) == 0 {
		return nil
	}
	return parseCommandLine(text)
}

// executableOf is the path of the program that a process runs, "" where the
// kernel has no name for it any more.
func executableOf(pid int) string {
	text, err := unix.SysctlRaw("kern.proc.pathname", pid)
	if err != nil {
		return ""
	}
	return unix.ByteSliceToString(text)
}

// ownerPIDs are the processes that have the snapshot's sockets, ascending.
func ownerPIDs(s *Snapshot) []int {
	var pids []int
	eachSocket(s, func(row socketRow) {
		for _, owner := range *row.owners {
			pids = append(pids, owner.PID)
		}
	})
	slices.Sort(pids)
	return slices.Compact(pids)
}

// limitProcesses says that a process could not be read.
func (s *Snapshot) limitProcesses(failure error) {
	if failure == nil {
		return
	}
	s.Limits = append(s.Limits, Limit{
		Kind: LimitProcess,
		What: "facts about the processes that have the sockets, and about their parents",
		Why:  "reading them failed: " + failure.Error(),
	})
}
