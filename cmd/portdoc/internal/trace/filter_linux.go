package trace

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (include/uapi/linux/seccomp.h).
const (
	dataNumber       = 0
	dataArchitecture = 4
	dataLength       = 32 // the lower half of argument 2: all of these are little-endian
)

// Lengths of the addresses that a connect of TCP is given: struct sockaddr_in,
// sockaddr_in6 and sockaddr_storage (ip(7), ipv6(7)). Those of unix sockets are
// usually other ones.
const (
	lengthIPv4    = 16
	lengthIPv6    = 28
	lengthStorage = 128
)

// x32Bit marks calls of the x32 ABI, which share x86-64's architecture.
const x32Bit = 0x40000000

// architectures are the AUDIT_ARCH values by GOARCH (include/uapi/linux/audit.h).
var architectures = map[string]uint32{
	"amd64":   unix.AUDIT_ARCH_X86_64,
	"arm64":   unix.AUDIT_ARCH_AARCH64,
	"riscv64": unix.AUDIT_ARCH_RISCV64,
	"loong64": unix.AUDIT_ARCH_LOONGARCH64,
}

// program is the filter: bind, listen, and connect with an address of a length
// that matters, of this architecture, are handed over; everything else, calls
// of other ABIs too, passes. But for connect it depends on nothing but the
// number and the architecture, so the kernel (5.11) runs it once for each other
// call number and remembers that the call passes.
func program(architecture uint32) []unix.SockFilter {
	const (
		load    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		atLeast = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		answer  = unix.BPF_RET | unix.BPF_K
	)
	return []unix.SockFilter{
		{Code: load, K: dataArchitecture},
		{Code: equal, K: architecture, Jf: 10},
		{Code: load, K: dataNumber},
		{Code: atLeast, K: x32Bit, Jt: 8},
		{Code: equal, K: unix.SYS_BIND, Jt: 6},
		{Code: equal, K: unix.SYS_LISTEN, Jt: 5},
		{Code: equal, K: unix.SYS_CONNECT, Jf: 5},
		{Code: load, K: dataLength},
		{Code: equal, K: lengthIPv4, Jt: 2},
		{Code: equal, K: lengthIPv6, Jt: 1},
		{Code: equal, K: lengthStorage, Jf: 1},
		{Code: answer, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: answer, K: unix.SECCOMP_RET_ALLOW},
	}
}

// withoutConnect is the filter that hands connects over to nobody.
func withoutConnect(filter []unix.SockFilter) []unix.SockFilter {
	const connect = 6 // the place of that comparison
	filter = slices.Clone(filter)
	filter[connect].Jt = filter[connect].Jf
	return filter
}

// install puts the filter on the calling thread and on all that it will start,
// for good, and returns the descriptor on which calls are announced.
//
// Without CAP_SYS_ADMIN it gives up gaining privileges by exec (no_new_privs).
func install() (listener int, err error) {
	architecture, ok := architectures[runtime.GOARCH]
	if !ok {
		return -1, fmt.Errorf("%w: no filter for %s", ErrUnsupported, runtime.GOARCH)
	}
	filter := program(architecture)
	listener, err = installProgram(filter)
	if err == unix.EACCES {
		if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err == nil {
			listener, err = installProgram(filter)
		}
	}
	switch err {
	case nil:
		return listener, nil
	case unix.EBUSY:
		return -1, fmt.Errorf("%w: they are watched already", ErrUnsupported)
	}
	return -1, fmt.Errorf("%w: seccomp: %w", ErrUnsupported, err)
}

// installProgram makes signals wait while a call is looked at, where the kernel
// can (5.19): a handler would otherwise interrupt the call, and some programs
// take EINTR of a bind for a failure. Of a connect it would be worse, as it
// means that the connect goes on, so without that connects are not watched.
func installProgram(filter []unix.SockFilter) (int, error) {
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	listener, err := seccomp(filter, flags|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
	if err == unix.EINVAL {
		listener, err = seccomp(withoutConnect(filter), flags)
	}
	if err == nil { // from 6.6 on: the caller and this process take turns on one processor
		unix.IoctlSetInt(listener, unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
	}
	return listener, err
}

func seccomp(filter []unix.SockFilter, flags uintptr) (int, error) {
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}
