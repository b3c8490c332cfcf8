package job

import "syscall"

// bsdStatus is a status of wait4(2) on a BSD. The methods of Go's
// syscall.WaitStatus do not tell a stop from a continuation there: they take
// any signal but SIGSTOP for a stop, and SIGSTOP for a continuation.
type bsdStatus uint32

// sigcontBSD is SIGCONT, which has the same number on all of them.
const sigcontBSD = 0x13

// continued tells whether the process was continued. Each system has a number
// for it that is nothing else on the others (WIFCONTINUED in sys/wait.h):
// FreeBSD SIGCONT, as if that had ended the process; macOS a stop by SIGCONT;
// OpenBSD and NetBSD 0xffff.
func (s bsdStatus) continued() bool {
	return s == sigcontBSD || s&0xffff == sigcontBSD<<8|0x7f || s&0xffff == 0xffff
}

// stopped returns the signal that stopped the process.
func (s bsdStatus) stopped() (syscall.Signal, bool) {
	if s.continued() || s&0xff != 0x7f {
		return 0, false
	}
	return syscall.Signal(s >> 8 & 0xff), true
}
