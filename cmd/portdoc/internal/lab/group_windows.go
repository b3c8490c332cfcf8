package lab

import "syscall"

func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// killGroup ends a process. Those that are played here start no others.
func killGroup(a *actor) { a.command.Process.Kill() }

func (a *actor) signal(string) { surprised("this system has no signals") }

func (a *actor) stop() { a.signal("") }
