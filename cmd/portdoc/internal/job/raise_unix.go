//go:build darwin || freebsd || openbsd || netbsd

package job

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// raise sends a signal to this process, and waits a moment for one that stops.
func raise(s syscall.Signal) {
	unix.Kill(os.Getpid(), s)
	time.Sleep(10 * time.Millisecond)
}

// stopSelf stops this process. The runtime does not give back the default
// action of SIGTSTP.
func stopSelf(syscall.Signal) { raise(unix.SIGSTOP) }

// self is the program of this process.
func self() (string, error) { return os.Executable() }

// DieOf ends this process by the signal that ended the command, if that is one
// whose default action the runtime gives back. It returns otherwise.
func DieOf(s syscall.Signal) {
	switch s {
	case unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGKILL, unix.SIGPIPE:
		signal.Reset(s)
		raise(s)
	}
}
