package netstate

import (
	"bytes"
	"cmp"
	"context"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// holding is one descriptor of a wanted socket.
type holding struct {
	inode uint64
	// tid is the thread whose table has it: the pid, but for a process whose
	// first thread has exited and for threads with tables of their own.
	pid, tid, fd int
}

// descriptorSearch looks through the descriptors of all processes for sockets
// with wanted inodes. A process that ends meanwhile is passed over.
type descriptorSearch struct {
	proc   *procfs
	wanted map[uint64]bool
	sockfs sockfsDevice

	// holdings, ordered by inode, pid, fd and tid, is the result. unreadable are
	// the processes whose descriptors may not be seen, looked how many were
	// tried, and failed is what stopped the search early.
	holdings   []holding
	unreadable []int
	looked     int
	failed     error
}

// sockfsDevice is the device number that all sockets have in stat(2). Known is
// false where statx(2) is refused; the links are read then.
type sockfsDevice struct {
	major, minor uint32
	known        bool
}

// findSockfs asks a socket of its own.
func findSockfs() sockfsDevice {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return sockfsDevice{}
	}
	defer unix.Close(fd)
	var status unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_INO, &status); err != nil {
		return sockfsDevice{}
	}
	return sockfsDevice{status.Dev_major, status.Dev_minor, true}
}

// run searches every process once. If that leaves a wanted socket without an
// owner, it looks again: at processes that have begun since, at those that
// were taken for kernel threads, and at threads with a descriptor table of
// their own (unshare(2) with CLONE_FILES).
func (s *descriptorSearch) run(ctx context.Context) {
	s.sockfs = findSockfs()
	kernel := s.kernelThreads()
	first := s.processes()
	seen := slices.DeleteFunc(slices.Clone(first), func(pid int) bool {
		_, found := slices.BinarySearch(kernel, pid)
		return found
	})
	s.each(ctx, seen, (*descriptorReader).process)
	s.looked = len(seen)
	if s.failed == nil && !s.complete() {
		s.again(ctx, seen)
	}
	slices.SortFunc(s.holdings, compareHoldings)
}

// again is the second look.
func (s *descriptorSearch) again(ctx context.Context, seen []int) {
	slices.Sort(seen)
	now := s.processes()
	s.each(ctx, now, func(r *descriptorReader, pid int) {
		if _, known := slices.BinarySearch(seen, pid); !known {
			r.process(pid)
		}
		r.ownTables(pid)
	})
	s.looked = max(s.looked, len(now))
}

func compareHoldings(a, b holding) int {
	return cmp.Or(cmp.Compare(a.inode, b.inode), cmp.Compare(a.pid, b.pid),
		cmp.Compare(a.fd, b.fd), cmp.Compare(a.tid, b.tid))
}

// complete tells whether each wanted socket has an owner.
func (s *descriptorSearch) complete() bool {
	found := make(map[uint64]bool, len(s.wanted))
	for _, h := range s.holdings {
		found[h.inode] = true
	}
	return len(found) == len(s.wanted)
}

// processes lists all processes.
func (s *descriptorSearch) processes() []int {
	pids, err := s.proc.numbers(".")
	if err != nil {
		s.failed = err
	}
	return pids
}

// kernelThreads lists the children of process 2 if that is kthreadd, which it
// is outside containers. Linux may start programs as its children too (a core
// dump handler): they are left for the second look.
func (s *descriptorSearch) kernelThreads() []int {
	if !s.proc.seesKernel() {
		return nil
	}
	text, err := s.proc.read("2/task/2/children")
	if err != nil {
		return nil
	}
	threads := []int{2}
	for word := range bytes.FieldsSeq(text) {
		if pid, err := strconv.Atoi(string(word)); err == nil {
			threads = append(threads, pid)
		}
	}
	slices.Sort(threads)
	return threads
}

// seesKernel tells whether this /proc shows the first PID namespace: process 2
// is the parent of the kernel's threads there.
func (p *procfs) seesKernel() bool {
	text, err := p.read("2/stat")
	if err != nil {
		return false
	}
	stat, err := parseProcessStat(text)
	return err == nil && stat.flags&kernelThread != 0
}

// each calls visit for each process, from two goroutines where there are two
// CPUs, and collects what the readers found.
func (s *descriptorSearch) each(ctx context.Context, pids []int, visit func(*descriptorReader, int)) {
	readers := make([]*descriptorReader, min(2, runtime.GOMAXPROCS(0), len(pids)))
	var next atomic.Int64
	var done sync.WaitGroup
	for i := range readers {
		r := &descriptorReader{search: s, buffer: make([]byte, 32<<10)}
		readers[i] = r
		work := func() {
			for at := int(next.Add(1)) - 1; at < len(pids) && ctx.Err() == nil && r.failed == nil; at = int(next.Add(1)) - 1 {
				visit(r, pids[at])
			}
		}
		if i < len(readers)-1 {
			done.Go(work)
		} else {
			work()
		}
	}
	done.Wait()
	for _, r := range readers {
		s.holdings = append(s.holdings, r.holdings...)
		s.unreadable = append(s.unreadable, r.unreadable...)
		if r.failed != nil {
			s.failed = r.failed
		}
	}
	if err := ctx.Err(); err != nil {
		s.failed = err
	}
}

// descriptorReader is one goroutine's part of a search.
type descriptorReader struct {
	search     *descriptorSearch
	buffer     []byte
	status     unix.Statx_t
	link       [32]byte
	holdings   []holding
	unreadable []int
	failed     error
}

// process reads the descriptors of a process. Where its first thread has
// exited while others run, the process's own directory shows none, and may be
// read by root alone; it then still tells whose the process is.
func (r *descriptorReader) process(pid int) {
	descriptors, err := r.table(pid, pid)
	if (err == nil && descriptors == 0 || denied(err) && r.own(pid)) && r.lostFirstThread(pid) {
		err = r.threads(pid, err)
	}
	switch {
	case err == nil || ended(err):
	case denied(err):
		r.unreadable = append(r.unreadable, pid)
	default:
		r.failed = err
	}
}

// ownTables reads the descriptors of each thread of a process that has
// several. The link count of its task directory tells: 2 and the threads.
func (r *descriptorReader) ownTables(pid int) {
	name := taskPath(pid, pid) + "/task"
	err := unix.Statx(r.search.proc.directory, name, 0, unix.STATX_NLINK, &r.status)
	if err == nil && r.status.Nlink > 3 {
		r.threads(pid, nil)
	}
}

// threads reads the descriptors of each thread but the first. It returns
// before if none could be read.
func (r *descriptorReader) threads(pid int, before error) error {
	fd, err := r.open(taskPath(pid, pid) + "/task")
	if err != nil {
		return before
	}
	var tids []int
	err = eachNumber(fd, r.buffer, func(tid int, _ *byte) bool {
		tids = append(tids, tid)
		return true
	})
	unix.Close(fd)
	if err != nil {
		return before
	}
	for _, tid := range tids {
		if tid == pid {
			continue
		}
		if _, err := r.table(pid, tid); err == nil {
			before = nil
		}
	}
	return before
}

// table reads the descriptors of a thread, and returns how many it has.
func (r *descriptorReader) table(pid, tid int) (descriptors int, err error) {
	fd, err := r.open(taskPath(pid, tid) + "/fd")
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var refused error
	err = eachNumber(fd, r.buffer, func(number int, name *byte) bool {
		descriptors++
		inode, errno := r.socket(fd, name)
		if errno == unix.EACCES || errno == unix.EPERM {
			refused = errno
			return false
		}
		if inode != 0 && r.search.wanted[inode] {
			r.holdings = append(r.holdings, holding{inode, pid, tid, number})
		}
		return true
	})
	if refused != nil {
		err = refused
	}
	return descriptors, err
}

func (r *descriptorReader) open(name string) (int, error) {
	return unix.Openat(r.search.proc.directory, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// own tells whether a process has the user id of this one.
func (r *descriptorReader) own(pid int) bool {
	err := unix.Statx(r.search.proc.directory, taskPath(pid, pid), 0, unix.STATX_UID, &r.status)
	return err == nil && int(r.status.Uid) == unix.Geteuid()
}

// lostFirstThread tells whether a process runs without its first thread.
func (r *descriptorReader) lostFirstThread(pid int) bool {
	fd, err := unix.Openat(r.search.proc.directory, taskPath(pid, pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, r.buffer)
	if err != nil {
		return false
	}
	stat, err := parseProcessStat(r.buffer[:n])
	return err == nil && exited(stat.state) && stat.threads > 1
}

// socket returns the inode of the socket that a link in an fd directory leads
// to, 0 for anything else.
//
// statx is cheaper than readlink, which builds the path of every regular
// file. AT_STATX_DONT_SYNC keeps it from asking the server of a file on NFS or
// FUSE, which may never answer; plain stat(2) would.
func (r *descriptorReader) socket(fd int, name *byte) (uint64, unix.Errno) {
	if !r.search.sockfs.known {
		return r.socketLink(fd, name)
	}
	_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(fd), uintptr(unsafe.Pointer(name)),
		unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_INO, uintptr(unsafe.Pointer(&r.status)), 0)
	if errno != 0 || r.status.Dev_minor != r.search.sockfs.minor || r.status.Dev_major != r.search.sockfs.major {
		return 0, errno
	}
	return r.status.Ino, 0
}

// socketLink does the same by the text of the link, "socket:[INODE]".
func (r *descriptorReader) socketLink(fd int, name *byte) (uint64, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(fd), uintptr(unsafe.Pointer(name)),
		uintptr(unsafe.Pointer(&r.link[0])), uintptr(len(r.link)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return parseSocketLink(r.link[:n]), 0
}
