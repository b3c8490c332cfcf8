package job

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// raise sends a signal to the calling thread, which gets it before raise
// returns; one that stops, stops the process.
func raise(s syscall.Signal) { unix.Tgkill(unix.Getpid(), unix.Gettid(), s) }

// self is the program of this process, also when its file was replaced.
func self() (string, error) { return "/proc/self/exe", nil }

// action is the kernel's struct sigaction with room for that of each
// architecture. All zeros is the default action.
type action [8]uint64

// act sets the action of a signal behind the runtime's back, which never gives
// back the default of a signal that was asked for, and returns the one before.
func act(s syscall.Signal, next action) (before action) {
	const sizeofMask = 8
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&next)), uintptr(unsafe.Pointer(&before)), sizeofMask, 0, 0)
	return before
}

// stopSelf stops this process as the command was stopped. A group that has no
// shell to continue it is not stopped by SIGTSTP; nothing happens then.
func stopSelf(s syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if s == unix.SIGSTOP {
		raise(s)
		return
	}
	before := act(s, action{})
	raise(s)
	act(s, before)
}

// DieOf ends this process by the signal that ended the command, without a core
// file, so that whoever waits for it sees the same end. It returns if the
// signal does not.
func DieOf(s syscall.Signal) {
	if s == 0 {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	act(s, action{})
	raise(s)
}
