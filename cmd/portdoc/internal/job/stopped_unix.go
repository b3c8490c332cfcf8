//go:build darwin || freebsd || openbsd || netbsd

package job

import (
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// isStopped tells whether a process is stopped by a signal, as ps(1) says.
func isStopped(pid int) bool {
	state, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.HasPrefix(string(state), "T")
}

// mostDescriptors bounds how many numbers are tried where none tells which are
// in use.
const mostDescriptors = 256

// closeInherited closes descriptors from first on that are not closed by exec:
// this process has made none such itself.
func closeInherited(first int) {
	for fd := first; fd < mostDescriptors; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
}
