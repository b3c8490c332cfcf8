package trace

import (
	"bytes"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel does not say how a call that was let through ended. A bind or a
// listen that succeeds changes the socket, which its duplicate shows; one that
// fails leaves it as it was. So a call has failed if it is over and the socket
// is unchanged. It is over when its thread waits in another call, makes the
// next one, is gone, or has used far more processor time than such a call can.
const (
	firstPause = 20 * time.Microsecond
	lastPause  = 2 * time.Millisecond
	// mostRunTime is processor time since the call was let through, and
	// mostTime is what stands for it where the kernel does not tell it.
	mostRunTime = 20 * time.Millisecond
	mostTime    = 2 * time.Second
)

// watched is a call on the way to its outcome.
type watched struct {
	call        Call
	tid         int
	number      int32
	instruction uint64
	before      sockaddr
	began       time.Time // of a connect

	syscalls, schedule *os.File // of /proc/TID; nil where they can't be read
	runTime            time.Duration

	mutex   sync.Mutex
	fd      int // a duplicate of the socket, -1 when closed
	over    bool
	success bool
	ended   chan struct{} // closed when over
}

// open prepares for the time after the call was let through. The open files
// stay those of this thread, whoever gets its id later.
func (w *watched) open() {
	w.syscalls, _ = os.Open(procPath(w.tid, "syscall"))
	w.schedule, _ = os.Open(procPath(w.tid, "schedstat"))
	w.runTime, _ = w.readRunTime()
}

func (w *watched) close() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.finish()
	for _, file := range []*os.File{w.syscalls, w.schedule} {
		if file != nil {
			file.Close()
		}
	}
}

// wait returns when the call is over.
func (w *watched) wait() {
	began := time.Now()
	pause := time.NewTimer(firstPause)
	defer pause.Stop()
	for length := firstPause; ; length = min(length*3/2, lastPause) {
		select {
		case <-w.ended:
			return
		case <-pause.C:
		}
		w.check(w.isOver(time.Since(began)))
		pause.Reset(length)
	}
}

// failed is valid when the call is over.
func (w *watched) failed() bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return !w.success
}

// check looks at the socket. Over tells that the call had ended before.
func (w *watched) check(over bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.over {
		return
	}
	if w.success = w.changed(); w.success || over {
		w.finish()
	}
}

// finish closes the duplicate: as long as it is open, the address is taken.
func (w *watched) finish() {
	if !w.over {
		w.over = true
		close(w.ended)
	}
	if w.fd >= 0 {
		unix.Close(w.fd)
		w.fd = -1
	}
}

// changed tells whether the socket has what the call is for. A listen sets the
// state before it knows whether it succeeds (inet_csk_listen_start), with the
// socket locked; getsockname waits for the lock.
func (w *watched) changed() bool {
	if w.call.Op != Listen {
		return localOf(w.fd) != sockaddr{}
	}
	if !isOn(w.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN) {
		return false
	}
	localOf(w.fd)
	return isOn(w.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
}

// isOver tells whether the thread is done with the call.
func (w *watched) isOver(passed time.Duration) bool {
	if w.syscalls != nil {
		text, err := readAt(w.syscalls, make([]byte, 256))
		if err != nil || elsewhere(text, w.number, w.instruction) {
			return true
		}
	}
	if run, ok := w.readRunTime(); ok {
		return run-w.runTime > mostRunTime
	}
	return passed > mostTime
}

// readRunTime is the processor time of the thread (proc-schedstat).
func (w *watched) readRunTime() (time.Duration, bool) {
	if w.schedule == nil {
		return 0, false
	}
	text, err := readAt(w.schedule, make([]byte, 64))
	if err != nil {
		return 0, false
	}
	first, _, _ := bytes.Cut(text, []byte(" "))
	return parseNanoseconds(first)
}
