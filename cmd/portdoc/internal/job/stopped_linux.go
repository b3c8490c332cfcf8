package job

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// isStopped tells whether a process is stopped by a signal: the field behind
// its name in /proc/PID/stat (proc_pid_stat(5)).
func isStopped(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := bytes.Cut(text, []byte(") "))
	for more := ok; more; { // the name may have the same in it
		var next []byte
		if _, next, more = bytes.Cut(rest, []byte(") ")); more {
			rest = next
		}
	}
	return err == nil && ok && len(rest) > 0 && rest[0] == 'T'
}

// closeInherited closes descriptors from first on that are not closed by exec:
// this process has made none such itself.
func closeInherited(first int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd < first {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
}
