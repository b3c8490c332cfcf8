//go:build unix

package lab

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// killGroup ends a process and all its children, stopped or not. The number of
// the group can't be anybody else's while one of them is there: the output is
// then open.
func killGroup(a *actor) {
	if a.gone() && isClosed(a.silent) {
		return
	}
	syscall.Kill(-a.command.Process.Pid, syscall.SIGKILL)
}

// signal sends a signal to the process alone. The name is as kill(1) has it.
func (a *actor) signal(name string) {
	if err := a.command.Process.Signal(unix.SignalNum("SIG" + name)); err != nil {
		surprised("SIG%s to %s: %v", name, a.name, err)
	}
}

// stop stops the process as Ctrl+Z does, and waits until it has stopped.
func (a *actor) stop() {
	a.signal("TSTP")
	a.awaitStop()
}
