package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// standardOutput tells whether this process was started without a standard
// output. The Go runtime has opened /dev/null for reading and writing in its
// place by then (runtime/fds_unix.go, Go 1.26), so that is what it looks for.
//
// Python and Node give a child the same /dev/null when its output is not
// wanted; a shell opens it for writing only. So it is certain when a shell
// started this process.
func standardOutput() presence {
	flags, err := unix.FcntlInt(1, unix.F_GETFL, 0)
	switch {
	case err != nil:
		return closed
	case flags&unix.O_ACCMODE != unix.O_RDWR || !isNull(os.Stdout) || isNull(os.Stderr):
		return present
	case parentIsShell():
		return closed
	}
	return perhapsClosed
}

// parentIsShell goes by the name of the parent.
func parentIsShell() bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", os.Getppid()))
	shells := []string{"sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "ash", "busybox"}
	return err == nil && slices.Contains(shells, strings.TrimSpace(string(name)))
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
