package job

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// raise sends a signal to the calling thread, which gets it before raise
// returns; one that stops, stops the process.
func raise(s syscall.Signal) { unix.Tgkill(unix.Getpid(), unix.Gettid(), s) }

// self is the program of this process, also when its file was replaced.
func self() (string, error) { return "/proc/self/exe", nil }

// DieOf ends this process by the signal that ended the command, without a core
// file, so that whoever waits for it sees the same end. It returns if the
// signal does not.
func DieOf(s syscall.Signal) {
	none := unix.Rlimit{}
	unix.Setrlimit(unix.RLIMIT_CORE, &none)
	// struct sigaction of all zeros is the default action. The runtime keeps
	// its own idea of the signal, which does not matter any more.
	var action [4]uint64
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	raise(s)
}
