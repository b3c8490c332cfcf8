package trace

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is struct seccomp_notif.
type notification struct {
	id    uint64
	tid   uint32 // 0 for a thread in a PID namespace that can't be seen
	flags uint32
	data  struct {
		number       int32
		architecture uint32
		instruction  uint64
		arguments    [6]uint64
	}
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	err   int32
	flags uint32
}

// receive waits for the next call. ENOENT: its thread is gone already.
func receive(listener int) (*notification, error) {
	n := new(notification)
	return n, control(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n))
}

// letThrough has a call made as it is. ENOENT: nobody waits for it any more.
func letThrough(listener int, id uint64) error {
	r := response{id: id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	return control(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
}

// waiting tells whether the thread of a call still waits, so that what was read
// by its thread id was its own.
func waiting(listener int, id uint64) bool {
	return control(listener, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id)) == nil
}

func control(fd int, request uintptr, argument unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(argument))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}
