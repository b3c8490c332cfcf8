package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// standardOutputClosed tells whether this process was started without a
// standard output. The Go runtime has opened /dev/null for reading and writing
// in its place by then (runtime/fds_unix.go, Go 1.26), so that is what it looks
// for. Who sends all output to /dev/null on purpose sends errors there as well
// or opens it for writing only, or close-on-exec, which F_GETFL still shows.
func standardOutputClosed() bool {
	flags, err := unix.FcntlInt(1, unix.F_GETFL, 0)
	if err != nil {
		return true
	}
	return flags&unix.O_ACCMODE == unix.O_RDWR && flags&unix.O_CLOEXEC == 0 &&
		isNull(os.Stdout) && !isNull(os.Stderr)
}

// isNull tells whether a file is /dev/null.
func isNull(f *os.File) bool {
	null, err := os.Stat(os.DevNull)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && os.SameFile(info, null)
}
