package netstate

import (
	"context"
	"slices"
	"sync"
)

// readOwners fills in the owners of the snapshot's sockets and the facts about
// those processes. It looks at no process if no socket can have an owner.
//
// It needs no privilege. With less, owners are missing and the limits say for
// which sockets ([LimitOwners]); that follows from what could be read and not
// from who the reader is. A process that ends while it is read may remain as
// an owner without an entry in Processes.
func readOwners(ctx context.Context, s *Snapshot) {
	wanted := wantedInodes(s)
	if len(wanted) == 0 {
		return
	}
	proc, err := openProcfs()
	if err != nil {
		s.Limits = append(s.Limits, limitWithoutProc(wanted, err))
		return
	}
	defer proc.close()
	search := descriptorSearch{proc: proc, wanted: wanted}
	search.run(ctx)
	holders := holdersOf(search.holdings)
	var waits sync.WaitGroup
	waits.Go(func() { readWaits(s, proc.another(), search.sockfs, holders) })
	processes := readProcesses(s, proc, holders)
	waits.Wait()
	setOwners(s, holders)
	setCgroups(s, processes.cgroups)
	readCanListen(s, proc, holders)
	s.Limits = append(s.Limits, search.limits(s)...)
	if ownerless, _ := unexplainedInodes(s); len(ownerless) > 0 {
		readKernelHolders(s)
		readOwnerlessCgroups(s, proc)
	}
}

// wantedInodes are those of the snapshot's sockets.
func wantedInodes(s *Snapshot) map[uint64]bool {
	wanted := make(map[uint64]bool)
	eachSocket(s, func(row socketRow) {
		if row.inode != 0 {
			wanted[row.inode] = true
		}
	})
	return wanted
}

// holder is a process that has a socket open.
type holder struct {
	Owner
	// tid is the thread whose descriptors these are; see [holding].
	tid int
}

// holdersOf groups holdings, which are ordered, by inode and process.
func holdersOf(holdings []holding) map[uint64][]*holder {
	holders := make(map[uint64][]*holder)
	for _, h := range holdings {
		of := holders[h.inode]
		if len(of) == 0 || of[len(of)-1].PID != h.pid {
			of = append(of, &holder{Owner{PID: h.pid}, h.tid})
			holders[h.inode] = of
		}
		last := of[len(of)-1]
		if n := len(last.FDs); n == 0 || last.FDs[n-1] != h.fd {
			last.FDs = append(last.FDs, h.fd)
		}
	}
	return holders
}

// setOwners puts the owners into the rows of the snapshot.
func setOwners(s *Snapshot, holders map[uint64][]*holder) {
	eachSocket(s, func(row socketRow) {
		of := holders[row.inode]
		if row.inode == 0 || len(of) == 0 {
			return
		}
		*row.owners = make([]Owner, len(of))
		for i, h := range of {
			(*row.owners)[i] = h.Owner
		}
	})
}

// readCanListen asks of each process that may have a listening or bound stream
// socket without knowing it whether its program could have made it listen. A
// process that waits for the socket knows, and one that would close it on exec
// did not get it that way. UDP sockets need no listen(2).
func readCanListen(s *Snapshot, proc *procfs, holders map[uint64][]*holder) {
	holds := make(map[int]bool)
	eachSocket(s, func(row socketRow) {
		if row.network == UDP || row.state != StateListen && row.state != StateBound {
			return
		}
		for _, h := range holders[row.inode] {
			if h.Waits != WaitsYes && (h.CloseOnExec == nil || !*h.CloseOnExec) {
				holds[h.PID] = true
			}
		}
	})
	if len(holds) > mostWaits {
		return
	}
	for i := range s.Processes {
		if p := &s.Processes[i]; holds[p.PID] && p.Exe != "" {
			p.CanListen = canListen(proc, *p)
		}
	}
}

// readOwnerlessCgroups names the cgroups in which sockets without a visible
// owner were made: they tell what the hidden owner belongs to.
func readOwnerlessCgroups(s *Snapshot, proc *procfs) {
	wanted := make(map[uint64]string)
	for _, socket := range s.Sockets {
		if socket.CgroupID != 0 && len(socket.Owners) == 0 && socket.Cgroup == "" {
			wanted[socket.CgroupID] = ""
		}
	}
	if len(wanted) == 0 {
		return
	}
	findCgroups(readCgroupMounts(proc).unified, wanted)
	for i := range s.Sockets {
		if socket := &s.Sockets[i]; len(socket.Owners) == 0 && socket.Cgroup == "" {
			socket.Cgroup = wanted[socket.CgroupID]
		}
	}
}

// sortedInodes lists the keys of a set.
func sortedInodes(set map[uint64]bool) []uint64 {
	inodes := make([]uint64, 0, len(set))
	for inode := range set {
		inodes = append(inodes, inode)
	}
	slices.Sort(inodes)
	return inodes
}
