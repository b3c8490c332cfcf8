package job

import "syscall"

func continued(s syscall.WaitStatus) bool { return s.Continued() }

func stoppedBy(s syscall.WaitStatus) (syscall.Signal, bool) { return s.StopSignal(), s.Stopped() }
