package job

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Undisturbed calls write on a thread that a terminal does not stop for writing
// from the background (stty tostop): this process has calls to let through.
func Undisturbed(write func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var blocked, before unix.Sigset_t
	blocked.Val[0] = 1 << (unix.SIGTTOU - 1)
	unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, &before)
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	write()
}
