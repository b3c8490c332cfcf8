//go:build linux || darwin || freebsd || openbsd || netbsd

package job

import (
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// relayed are the signals that are handed on when they were meant for this
// process alone. Those that stop a background job, SIGTTIN and SIGTTOU, are
// left as they are, and SIGCONT follows from what the command does.
var relayed = []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGTSTP}

// Job is a command that runs.
type Job struct {
	pid       int
	companion *Companion
	signals   chan os.Signal
	ended     atomic.Bool
	stops     atomic.Int64 // how often it was stopped
	stopped   atomic.Bool

	mutex     sync.Mutex
	delivered syscall.Signal // the last deadly signal that arrived here
}

// Start starts a command. Fork calls what it is given, which makes the new
// process, on a thread of its choice. The error is a [StartError].
func Start(c Command, fork func(func() error) error, companion *Companion) (*Job, error) {
	j := &Job{companion: companion, signals: make(chan os.Signal, 64)}
	// A write to a closed pipe is then an error here. The command has the
	// default again, as it would not if this process ignored the signal.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	signal.Notify(j.signals, catchable()...)
	stderr := uintptr(2)
	if c.Stderr != nil {
		stderr = c.Stderr.Fd()
		unix.SetNonblock(int(stderr), false) // as a program expects it
	}
	err := fork(func() (err error) {
		j.pid, err = syscall.ForkExec(c.Path, c.Args, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, stderr}})
		return err
	})
	if err != nil {
		signal.Stop(j.signals)
		return nil, startError(c.Args[0], err)
	}
	go j.relay()
	return j, nil
}

// catchable leaves out the signals that this process was started to ignore
// (nohup, a background job of a script): the command shall ignore them too.
func catchable() (all []os.Signal) {
	for _, s := range relayed {
		if !signal.Ignored(s) {
			all = append(all, s)
		}
	}
	return all
}

// PID is the command's process id.
func (j *Job) PID() int { return j.pid }

// Interrupted tells whether a signal that asks to end has come.
func (j *Job) Interrupted() bool {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.delivered != 0
}

// Wait returns when the command has ended. While it is stopped so is this
// process, and this process's shell sees a stopped job. Other children that
// this process may have been given (as process 1 of a container) are reaped.
func (j *Job) Wait() Status {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, unix.WUNTRACED|waitContinued, nil)
		stopSignal, stopped := stoppedBy(status)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return Status{Code: NotFound}
		case pid != j.pid:
		case stopped:
			j.stopLike(stopSignal)
		case continued(status):
			j.stopped.Store(false)
		default:
			j.ended.Store(true)
			signal.Stop(j.signals)
			return ended(status)
		}
	}
}

func ended(status syscall.WaitStatus) Status {
	if status.Signaled() {
		return Status{Signal: status.Signal()}
	}
	return Status{Code: status.ExitStatus()}
}

// continueAfter is how long a command that is still stopped when this process
// is continued is given to be continued too, as the whole group is by a shell.
const continueAfter = 100 * time.Millisecond

// stopLike stops this process as the command was stopped, and returns when it
// is continued. The companion continues it when the command goes on without; if
// the command was stopped again by then, so is this process.
func (j *Job) stopLike(s syscall.Signal) {
	j.stopped.Store(true)
	stop, began := j.stops.Add(1), time.Now()
	j.companion.watch(j.pid)
	stopSelf(s)
	time.AfterFunc(continueAfter, func() {
		switch {
		case !j.stopped.Load() || j.stops.Load() != stop || j.ended.Load():
		case j.companion.woke(began):
			j.stopLike(s)
		default:
			unix.Kill(j.pid, unix.SIGCONT)
		}
	})
}

// relay decides about each signal that arrives here.
func (j *Job) relay() {
	for s := range j.signals {
		number := s.(syscall.Signal)
		switch number {
		case unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP:
			j.mutex.Lock()
			j.delivered = number
			j.mutex.Unlock()
		}
		go func() {
			if !j.companion.shared(number) && !j.ended.Load() {
				unix.Kill(j.pid, number)
			}
		}()
	}
}
