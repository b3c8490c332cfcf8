//go:build darwin || freebsd || openbsd || netbsd

package job

import "syscall"

func continued(s syscall.WaitStatus) bool { return bsdStatus(s).continued() }

func stoppedBy(s syscall.WaitStatus) (syscall.Signal, bool) { return bsdStatus(s).stopped() }
