//go:build unix && !linux

package lab

import "syscall"

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func (a *actor) awaitStop() {}
