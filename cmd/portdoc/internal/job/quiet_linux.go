package job

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Undisturbed calls write on a thread that a terminal does not stop for writing
// from the background (stty tostop): this process has calls to let through.
func Undisturbed(write func()) {
	blocking([]unix.Signal{unix.SIGTTOU}, func() error { write(); return nil })
}

// undisturbed starts a process that has all relayed signals blocked until it
// asks for them: one of the group's could stop it before it is what it is to
// be, and this process waits for that.
func undisturbed(start func() error) error {
	var signals []unix.Signal
	for _, s := range relayed {
		signals = append(signals, s.(unix.Signal))
	}
	return blocking(signals, start)
}

// blocking calls f on a thread that has signals blocked.
func blocking(signals []unix.Signal, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var blocked, before unix.Sigset_t
	for _, s := range signals {
		bits := int(unsafe.Sizeof(blocked.Val[0]) * 8)
		blocked.Val[int(s-1)/bits] |= 1 << (int(s-1) % bits)
	}
	unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, &before)
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	return f()
}
