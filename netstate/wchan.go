package netstate

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// waitEvidence is what can be seen of what a process waits for.
type waitEvidence struct {
	threads []threadWait
	// watched are the wanted inodes that an epoll instance of the process
	// lists; watchedDescriptors the numbers it lists where the kernel tells no
	// inodes (before 5.0 or so).
	watched            map[uint64]bool
	watchedDescriptors map[int]bool
	// otherWays tells that the process can get events in a way that shows
	// nowhere: it has an io_uring, or could not be looked at in full.
	otherWays bool
}

// threadWait is where a thread sleeps.
type threadWait struct {
	// function is the kernel function from /proc/PID/wchan; "" or "0" for a
	// thread that runs or that may not be looked at.
	function string
	// call is the system call that it is in, nil where that is not known.
	call *systemCall
}

// systemCall is the start of a line of /proc/PID/syscall.
type systemCall struct {
	number int64
	first  uint64 // its first argument
}

// sleepsElsewhere are kernel functions in which a thread can't be waiting for
// a socket, by name without the compiler's suffix. Seen on Linux 6.18, with
// older names of the same places.
var sleepsElsewhere = []string{
	"hrtimer_nanosleep", "do_nanosleep", // nanosleep, clock_nanosleep
	"do_wait", // wait4, waitid, vfork
	"anon_pipe_read", "pipe_read", "pipe_wait", "pipe_wait_readable", "wait_for_partner",
	"n_tty_read",
	"futex_do_wait", "futex_wait_queue", "futex_wait_queue_me",
	"__do_sys_pause", "sys_pause", "sigsuspend", "__sigsuspend", "do_sigtimedwait",
	"signalfd_read_iter", "signalfd_dequeue",
	"do_msgrcv", "do_semtimedop", "__do_semtimedop",
}

// epollWaits are the kernel functions of epoll_wait(2).
var epollWaits = []string{"do_epoll_wait", "ep_poll"}

// waitsForDescriptor are functions in which a thread waits for the one
// descriptor that is the first argument of its system call: accept (TCP; unix,
// as UDP's receive), receive, and reads of terminals and others.
var waitsForDescriptor = []string{
	"inet_csk_accept", "inet_csk_wait_for_connect", "__skb_wait_for_more_packets", "__skb_recv_datagram",
	"unix_stream_read_generic", "unix_stream_data_wait", "wait_woken", "sk_wait_data",
}

// waits decides whether the process waits for a socket that it has under the
// given numbers. A no needs every thread to sleep in a place that is known to
// be another, and an epoll set is a yes even between two calls of epoll_wait.
// readCall is the number of read(2) on this architecture.
func (e waitEvidence) waits(inode uint64, descriptors []int, readCall int64) Waits {
	if e.watched[inode] {
		return WaitsYes
	}
	answer := WaitsNo
	if e.otherWays || len(e.threads) == 0 {
		answer = WaitsMaybe
	}
	for _, fd := range descriptors {
		if e.watchedDescriptors[fd] {
			return WaitsYes
		}
	}
	for _, t := range e.threads {
		switch t.waits(descriptors, readCall) {
		case WaitsYes:
			return WaitsYes
		case WaitsMaybe:
			answer = WaitsMaybe
		}
	}
	return answer
}

// waits does the same for one thread. Only a call of read(2) is believed to
// be about another descriptor: its number is told apart from the calls of
// 32-bit programs.
func (t threadWait) waits(descriptors []int, readCall int64) Waits {
	switch function := t.plainFunction(); {
	case slices.Contains(sleepsElsewhere, function), slices.Contains(epollWaits, function):
		return WaitsNo
	case t.call == nil || !t.atDescriptor() || t.call.number == socketcall:
		return WaitsMaybe
	case slices.Contains(descriptors, int(t.call.first)):
		return WaitsYes
	case t.call.number == readCall:
		return WaitsNo
	}
	return WaitsMaybe
}

// socketcall is the number of socketcall(2) for 32-bit programs, whose first
// argument is not a descriptor (arch/x86/entry/syscalls/syscall_32.tbl). In the
// 64-bit tables that number is of calls that never wait.
const socketcall = 102

// plainFunction is the function without what the compiler appended, as
// ".isra.0".
func (t threadWait) plainFunction() string {
	function, _, _ := strings.Cut(t.function, ".")
	return function
}

// atDescriptor tells whether the first argument of its call says what for.
func (t threadWait) atDescriptor() bool {
	return slices.Contains(waitsForDescriptor, t.plainFunction())
}

// parseSystemCall decodes /proc/PID/syscall: the number, and arguments in
// hexadecimal. It is "running" or "-1 ..." outside of system calls.
func parseSystemCall(text []byte) *systemCall {
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return nil
	}
	number, err := strconv.ParseInt(fields[0], 10, 64)
	first, err2 := strconv.ParseUint(strings.TrimPrefix(fields[1], "0x"), 16, 64)
	if err != nil || err2 != nil || number < 0 {
		return nil
	}
	return &systemCall{number, first}
}

// epollTarget is one descriptor that an epoll instance watches. The inode and
// its device, in the kernel's own encoding, are 0 where the kernel does not
// say.
type epollTarget struct {
	fd            int
	inode, device uint64
}

// parseEpollTargets decodes the fdinfo of an epoll descriptor, lines as
// "tfd: 7 events: 19 data: 7 pos:0 ino:1a2b sdev:8", inode and device in
// hexadecimal (proc_pid_fdinfo(5)).
func parseEpollTargets(text []byte) []epollTarget {
	var targets []epollTarget
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("tfd:")) {
			continue
		}
		target, ok := epollTarget{}, false
		words := strings.Fields(strings.ReplaceAll(string(line), ":", ": "))
		for i := 0; i+1 < len(words); i += 2 {
			switch words[i] {
			case "tfd:":
				fd, err := strconv.Atoi(words[i+1])
				target.fd, ok = fd, err == nil
			case "ino:":
				target.inode, _ = strconv.ParseUint(words[i+1], 16, 64)
			case "sdev:":
				target.device, _ = strconv.ParseUint(words[i+1], 16, 64)
			}
		}
		if ok {
			targets = append(targets, target)
		}
	}
	return targets
}

// parseSocketLink decodes the link of a socket's descriptor,
// "socket:[INODE]"; 0 for any other.
func parseSocketLink(link []byte) uint64 {
	number, ok := bytes.CutPrefix(link, []byte("socket:["))
	if !ok || !bytes.HasSuffix(number, []byte("]")) {
		return 0
	}
	inode, err := strconv.ParseUint(string(number[:len(number)-1]), 10, 64)
	if err != nil {
		return 0
	}
	return inode
}
