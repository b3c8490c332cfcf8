package netstate

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// limitWithoutProc is the limit where there is no /proc.
func limitWithoutProc(wanted map[uint64]bool, err error) Limit {
	return ownersLimit(sortedInodes(wanted), "", fmt.Sprintf("/proc can't be read: %v", err))
}

// limits says which sockets may have owners that were not seen, and why:
//
//   - a socket without an owner, if anything kept a process from sight;
//   - a socket with owners, if processes could not be read and the socket was
//     made by a user that none of the owners is. Then a server that opened it
//     and gave it to them is likely. Where an owner has that user's id there
//     may be others too, but that can be said of every socket.
//
// It is called once owners and processes are in the snapshot.
func (d *descriptorSearch) limits(s *Snapshot) []Limit {
	ownerless, foreign := unexplainedInodes(s)
	if len(ownerless) == 0 && (len(foreign) == 0 || len(d.unreadable) == 0) {
		return nil
	}
	unreadable := d.unreadableReason()
	var limits []Limit
	if reasons := slices.DeleteFunc([]string{d.failure(), unreadable, d.hiddenReason()}, empty); len(ownerless) > 0 && len(reasons) > 0 {
		limit := ownersLimit(ownerless, "", strings.Join(reasons, "; "))
		if len(reasons) == 1 && unreadable != "" && d.unreadableAreForeign() {
			limit.Kind = LimitForeignOwners
			limit.Why += ", in other network namespaces"
		}
		limits = append(limits, limit)
	}
	if len(foreign) > 0 && unreadable != "" {
		limits = append(limits, ownersLimit(foreign, "further ", unreadable))
	}
	return limits
}

// unexplainedInodes are the sockets that nobody was seen to have, and those
// whose user is none of their owners'.
func unexplainedInodes(s *Snapshot) (ownerless, foreign []uint64) {
	users := make(map[int]uint32, len(s.Processes))
	for _, p := range s.Processes {
		if p.UID != nil {
			users[p.PID] = *p.UID
		}
	}
	none, others := make(map[uint64]bool), make(map[uint64]bool)
	eachSocket(s, func(row socketRow) {
		switch {
		case row.inode == 0:
		case len(*row.owners) == 0:
			none[row.inode] = true
		case row.uid != nil && !slices.ContainsFunc(*row.owners, func(o Owner) bool {
			uid, known := users[o.PID]
			return known && uid == *row.uid
		}):
			others[row.inode] = true
		}
	})
	return sortedInodes(none), sortedInodes(others)
}

// failure says what stopped the search, "" for nothing.
func (d *descriptorSearch) failure() string {
	if d.failed == nil {
		return ""
	}
	return fmt.Sprintf("the search through the processes was not finished: %v", d.failed)
}

// unreadableReason counts the processes that could not be looked into, "" for
// none. Threads of the kernel and processes that have exited, which have no
// descriptors, are not counted.
func (d *descriptorSearch) unreadableReason() string {
	slices.Sort(d.unreadable)
	d.unreadable = slices.Compact(d.unreadable)
	hidden, looked := 0, d.looked
	for _, pid := range d.unreadable {
		if d.proc.mayOwn(pid) {
			hidden++
		} else {
			looked--
		}
	}
	// More may come and go meanwhile than there are at a time. This process
	// itself was looked into.
	looked = max(looked, hidden+1)
	switch hidden {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("1 of %d processes may not be looked into", looked)
	}
	return fmt.Sprintf("%d of %d processes may not be looked into", hidden, looked)
}

// unreadableAreForeign tells whether every process that could not be looked
// into is in another network namespace than the reader.
func (d *descriptorSearch) unreadableAreForeign() bool {
	own, err := d.proc.networkNamespace("self")
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(d.unreadable, func(pid int) bool {
		namespace, err := d.proc.networkNamespace(strconv.Itoa(pid))
		return d.proc.mayOwn(pid) && (err != nil || namespace == own)
	})
}

// networkNamespace returns a number that two processes have in common if they
// are in one network namespace: the inode of a file below /proc/PID/net, which
// each namespace has for itself (proc_alloc_inum in fs/proc/generic.c). Unlike
// /proc/PID/ns/net it needs no privilege.
func (p *procfs) networkNamespace(process string) (uint64, error) {
	var status unix.Stat_t
	err := unix.Fstatat(p.directory, process+"/net/dev", &status, 0)
	return status.Ino, err
}

// mayOwn tells whether a process that could not be looked into can have
// descriptors.
func (p *procfs) mayOwn(pid int) bool {
	text, err := p.read(strconv.Itoa(pid) + "/stat")
	if err != nil {
		return !ended(err)
	}
	stat, err := parseProcessStat(text)
	return err != nil || stat.flags&kernelThread == 0 && !stat.dead()
}

// firstPIDNamespace is the name of the PID namespace that the system starts
// with (PROC_PID_INIT_INO in include/linux/proc_ns.h).
const firstPIDNamespace = "pid:[4026531836]"

// hiddenReason says why processes may not even be listed, "" if all are.
func (d *descriptorSearch) hiddenReason() string {
	var status unix.Stat_t
	if err := unix.Fstatat(d.proc.directory, "1", &status, 0); errors.Is(err, unix.ENOENT) {
		return "/proc hides the processes of other users (hidepid)"
	}
	namespace, err := d.proc.link("self/ns/pid")
	if err == nil && namespace == firstPIDNamespace || d.proc.seesKernel() {
		return ""
	}
	return "processes outside this PID namespace can't be seen"
}
