package netstate

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Beyond these sizes nothing is read that only tells whether a process waits:
// pairs of sockets and owners, descriptors and threads of one process.
const (
	mostWaits       = 64
	mostDescriptors = 10_000
	mostThreads     = 256
)

// readWaits fills in whether the owners of sockets that a server would wait on
// do so, and whether exec closes their descriptors.
func readWaits(s *Snapshot, proc *procfs, sockfs sockfsDevice, holders map[uint64][]*holder) {
	serving, pairs := make(map[uint64]bool), 0
	eachSocket(s, func(row socketRow) {
		if row.serves() && row.inode != 0 && !serving[row.inode] {
			serving[row.inode] = true
			pairs += len(holders[row.inode])
		}
	})
	if pairs > mostWaits {
		return
	}
	seen := make(map[string]*waitEvidence)
	for inode := range serving {
		for _, h := range holders[inode] {
			readHolder(proc, sockfs, inode, h, seen)
		}
	}
}

// readHolder reads what one process does with one socket. The evidence is kept
// for the process's other sockets.
func readHolder(proc *procfs, sockfs sockfsDevice, inode uint64, h *holder, seen map[string]*waitEvidence) {
	base := taskPath(h.PID, h.tid)
	flags, ok := descriptorFlags(proc, base, h.FDs)
	if ok {
		h.CloseOnExec = new(flags.all&unix.O_CLOEXEC != 0)
	}
	evidence := seen[base]
	if evidence == nil {
		evidence = readWaitEvidence(proc, sockfs, base, h.PID)
		seen[base] = evidence
	}
	h.Waits = evidence.waits(inode, h.FDs, unix.SYS_READ)
	if h.Waits == WaitsNo && (!ok || flags.any&unix.O_ASYNC != 0) { // SIGIO can tell it
		h.Waits = WaitsMaybe
	}
}

// flagSet are the flags that all of some descriptors have, and that any has.
type flagSet struct{ all, any uint64 }

// descriptorFlags reads the flags of descriptors of one open socket.
func descriptorFlags(proc *procfs, base string, descriptors []int) (flagSet, bool) {
	set := flagSet{all: ^uint64(0)}
	for _, fd := range descriptors {
		text, err := proc.read(base + "/fdinfo/" + strconv.Itoa(fd))
		if err != nil {
			return flagSet{}, false
		}
		flags, ok := parseDescriptorFlags(text)
		if !ok {
			return flagSet{}, false
		}
		set.all &= flags
		set.any |= flags
	}
	return set, true
}

// readWaitEvidence looks at the epoll sets and threads of a process. base is
// the directory of the thread whose descriptors are looked at.
func readWaitEvidence(proc *procfs, sockfs sockfsDevice, base string, pid int) *waitEvidence {
	e := &waitEvidence{watched: make(map[uint64]bool), watchedDescriptors: make(map[int]bool)}
	descriptors, err := proc.numbers(base + "/fd")
	if err != nil || len(descriptors) > mostDescriptors {
		e.otherWays = true
		descriptors = nil
	}
	for _, fd := range descriptors {
		e.addDescriptor(proc, sockfs, base, fd)
	}
	threads, err := proc.numbers(strconv.Itoa(pid) + "/task")
	if err != nil || len(threads) > mostThreads {
		e.otherWays = true
		threads = nil
	}
	for _, tid := range threads {
		if thread, ok := readThreadWait(proc, taskPath(pid, pid)+"/task/"+strconv.Itoa(tid)); ok {
			e.threads = append(e.threads, thread)
		}
	}
	return e
}

// addDescriptor looks at one descriptor, which matters if it is an epoll
// instance or an io_uring.
func (e *waitEvidence) addDescriptor(proc *procfs, sockfs sockfsDevice, base string, fd int) {
	link, err := proc.link(base + "/fd/" + strconv.Itoa(fd))
	switch {
	case errors.Is(err, unix.ENOENT):
		return
	case err != nil || strings.Contains(link, "[io_uring]"):
		e.otherWays = true
		return
	case !strings.Contains(link, "[eventpoll]"):
		return
	}
	text, err := proc.read(base + "/fdinfo/" + strconv.Itoa(fd))
	if err != nil || len(text) >= longestFile {
		e.otherWays = true
		return
	}
	// MKDEV of the kernel: 20 bits of minor number (include/linux/kdev_t.h).
	device := uint64(sockfs.major)<<20 | uint64(sockfs.minor)
	for _, target := range parseEpollTargets(text) {
		switch {
		case target.inode == 0:
			e.watchedDescriptors[target.fd] = true
		case target.device == device || !sockfs.known:
			e.watched[target.inode] = true
		}
	}
}

// readThreadWait looks where a thread sleeps; false if it has exited. Its
// system call is only shown to readers who could trace it.
func readThreadWait(proc *procfs, base string) (threadWait, bool) {
	text, err := proc.read(base + "/wchan")
	if err != nil {
		return threadWait{}, !ended(err)
	}
	wait := threadWait{function: string(text)}
	if wait.atDescriptor() {
		if text, err := proc.read(base + "/syscall"); err == nil {
			wait.call = parseSystemCall(text)
		}
	}
	return wait, true
}
