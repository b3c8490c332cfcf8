package lab

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup starts a process in a group of its own, which ends with this
// program even if that is killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitStop waits until the process is stopped. WNOWAIT leaves the status to
// whoever waits for the end.
func (a *actor) awaitStop() {
	for {
		err := unix.Waitid(unix.P_PID, a.command.Process.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if err == nil {
			return
		}
		if err != unix.EINTR {
			surprised("waiting for %s to stop: %v", a.name, err)
		}
	}
}
