package trace

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// HoldLimit is the longest time that a call is held for [Handler].Held.
const HoldLimit = 500 * time.Millisecond

// closeLimit is the longest time that [Tracer.Close] waits.
const closeLimit = 5 * time.Second

// Tracer watches the calls of what is started by [Tracer.Start], and of all
// that is started by that.
type Tracer struct {
	handler  Handler
	listener int
	progress *progress
	network  uint64 // the cookie of this network namespace, 0 where unknown
	forks    chan func()
	stop     int // an eventfd
	looping  sync.WaitGroup

	mutex   sync.Mutex
	pending map[*watched]struct{}
	working int        // calls that are handled
	changed *sync.Cond // of working
}

// New makes a Tracer, which watches nothing yet. It returns [ErrUnsupported]
// with the reason where calls can't be watched: an older kernel, a sandbox, or
// a command that is itself watched in this way.
func New(handler Handler) (*Tracer, error) {
	if err := canBorrow(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	t := &Tracer{handler: handler, forks: make(chan func()), pending: make(map[*watched]struct{}), network: networkOf(-1)}
	t.changed = sync.NewCond(&t.mutex)
	var err error
	if t.progress, err = newProgress(); err != nil {
		return nil, err
	}
	if t.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return nil, err
	}
	installed := make(chan error)
	go t.serveForks(installed)
	if err := <-installed; err != nil {
		return nil, err
	}
	t.looping.Go(t.receiveAll)
	return t, nil
}

// serveForks has the filter installed on its thread and calls what has to run
// there. The thread is not used for anything else, and ends with it; the first
// thread of a process can't end, so it is left to others.
func (t *Tracer) serveForks(installed chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread()
		another := make(chan error)
		go t.serveForks(another)
		installed <- <-another
		return
	}
	var err error
	t.listener, err = install()
	installed <- err
	if err != nil {
		return
	}
	for fork := range t.forks {
		fork()
	}
}

// Start calls fork, which starts a process, on a thread whose children are
// watched.
func (t *Tracer) Start(fork func() error) error {
	var err error
	done := make(chan struct{})
	t.forks <- func() { err = fork(); close(done) }
	<-done
	return err
}

// Files are what [Guard] needs in another process, in its order.
func (t *Tracer) Files() []*os.File {
	return []*os.File{duplicate(t.listener, "seccomp"), duplicate(t.progress.fd, "progress")}
}

func duplicate(fd int, name string) *os.File {
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(copied), name)
}

// Finish waits until everything is told that has happened so far, at most for
// limit.
func (t *Tracer) Finish(limit time.Duration) {
	end := time.Now().Add(limit)
	timer := time.AfterFunc(limit, func() { t.count(0) })
	defer timer.Stop()
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for t.working > 0 && time.Now().Before(end) {
		t.changed.Wait()
	}
}

// count counts a call that is handled from now on, or no longer.
func (t *Tracer) count(change int) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.working += change
	t.changed.Broadcast()
}

// Close sees the calls through that have come and ends the watching. Calls of
// processes that are left wait then until a [Guard] lets them through, and fail
// with ENOSYS when there is none.
func (t *Tracer) Close() {
	unix.Write(t.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	t.looping.Wait()
	t.Finish(closeLimit)
	close(t.forks)
	unix.Close(t.listener)
}

// receiveAll handles each call in a goroutine of its own, until Close, but
// connects at once.
func (t *Tracer) receiveAll() {
	connects := connects{tracer: t}
	defer connects.close()
	set := []unix.PollFd{{Fd: int32(t.listener), Events: unix.POLLIN}, {Fd: int32(t.stop), Events: unix.POLLIN}}
	for {
		_, err := unix.Ppoll(set, connects.timeout(), nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return
		}
		if set[1].Revents != 0 || set[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
			return
		}
		connects.look()
		if set[0].Revents&unix.POLLIN == 0 {
			continue
		}
		n, err := receive(t.listener)
		if err != nil {
			continue
		}
		t.progress.store(n.id)
		t.settle(int(n.tid))
		connects.called(int(n.tid))
		if n.data.number == unix.SYS_CONNECT {
			connects.begin(n)
			continue
		}
		t.count(1)
		go func() { defer t.count(-1); t.handle(n) }()
	}
}

// settle closes the duplicates of sockets that have got what they asked for:
// the program may have closed its own and want the address again. A thread
// that makes a call has ended its last one.
func (t *Tracer) settle(tid int) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for w := range t.pending {
		w.check(w.tid == tid)
	}
}

// handle sees one call through. Whatever goes wrong here, the call is made.
func (t *Tracer) handle(n *notification) {
	var once sync.Once
	release := func() { once.Do(func() { letThrough(t.listener, n.id) }) }
	defer func() {
		if failure := recover(); failure != nil {
			release()
			t.handler.Blind(fmt.Errorf("a call could not be looked at: %v", failure))
		}
	}()
	defer release()
	w, err := t.look(n)
	if err != nil {
		t.handler.Blind(err)
	}
	if w == nil {
		return
	}
	t.hold(&w.call)
	t.watch(w, release)
	t.handler.Ended(&w.call, w.failed())
}

// hold lets the handler look at the machine while the caller waits.
func (t *Tracer) hold(call *Call) {
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		t.handler.Held(call)
	}()
	limit := time.NewTimer(HoldLimit)
	defer limit.Stop()
	select {
	case failure := <-done:
		if failure != nil {
			panic(failure)
		}
	case <-limit.C:
	}
}

// watch has the call made and returns when it has ended.
func (t *Tracer) watch(w *watched, release func()) {
	t.mutex.Lock()
	t.pending[w] = struct{}{}
	t.mutex.Unlock()
	release()
	w.wait()
	t.mutex.Lock()
	delete(t.pending, w)
	t.mutex.Unlock()
	w.close()
}
