package trace

import (
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// guardPatience is how long a call may wait for a tracer that does nothing.
	guardPatience = 10 * time.Second
	// guardPause is between two looks at a tracer that has a call waiting,
	// guardRound between two looks whether it was stopped with calls in hand.
	guardPause = 50 * time.Millisecond
	guardRound = time.Second
)

// mostInHand bounds the calls that a tracer had in hand when it was killed or
// stopped.
const mostInHand = 256

// Guard lets calls through that nobody else does, in another process than the
// tracer's, until all watched processes have ended: when the tracer is gone
// the kernel would fail them with ENOSYS. The tracer is the parent of this
// process. Files are those of [Tracer.Files]; tracer is the end of a socket
// pair whose other end the tracer has.
func Guard(files []*os.File, tracer *os.File) {
	listener := int(files[0].Fd())
	p, err := openProgress(int(files[1].Fd()))
	if err != nil {
		return
	}
	parent := os.Getppid()
	set := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}, {Fd: int32(tracer.Fd())}}
	round := int(guardRound / time.Millisecond)
	for {
		n, err := unix.Poll(set, round)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return
		case n == 0:
			if p.last.Load() != p.released && isStopped(parent) {
				p.releaseAll(listener)
			}
		case set[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0:
			return
		case set[1].Revents != 0:
			set[1], round = unix.PollFd{Fd: -1}, -1
			p.releaseAll(listener)
		case set[0].Revents&unix.POLLIN != 0 && (set[1].Fd < 0 || p.stuck(listener, parent)):
			if n, err := receive(listener); err == nil {
				letThrough(listener, n.id)
			}
		}
	}
}

// progress is memory that the tracer and its guard share: the id of the last
// call that the tracer has received. Ids go up by one with each call.
type progress struct {
	fd       int
	last     *atomic.Uint64
	released uint64 // the last id when the guard released all
}

func newProgress() (*progress, error) {
	fd, err := unix.MemfdCreate("portdoc", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := unix.Ftruncate(fd, int64(os.Getpagesize())); err != nil {
		return nil, err
	}
	return openProgress(fd)
}

func openProgress(fd int) (*progress, error) {
	memory, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &progress{fd: fd, last: (*atomic.Uint64)(unsafe.Pointer(&memory[0]))}, nil
}

func (p *progress) store(id uint64) { p.last.Store(id) }

// stuck waits while a call waits. It returns true when the tracer is not going
// to receive it: it is stopped, or has done nothing for too long.
func (p *progress) stuck(listener, tracer int) bool {
	for waited := time.Duration(0); ; waited += guardPause {
		before := p.last.Load()
		time.Sleep(guardPause)
		set := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		n, err := unix.Poll(set, 0)
		if err != nil || n != 1 || set[0].Revents != unix.POLLIN || p.last.Load() != before {
			return false
		}
		if isStopped(tracer) || waited >= guardPatience {
			return true
		}
	}
}

// releaseAll lets the calls through that the tracer had received.
func (p *progress) releaseAll(listener int) {
	p.released = p.last.Load()
	for i := uint64(0); i < mostInHand && p.released != 0; i++ {
		letThrough(listener, p.released-i)
	}
}

// isStopped tells whether a process is stopped by a signal.
func isStopped(pid int) bool {
	text, _ := os.ReadFile(procPath(pid, "status"))
	status, ok := parseStatus(text)
	return ok && status.state == 'T'
}
