package netstate

import (
	"errors"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// processRecord reads a struct kinfo_proc, nil for a process that is gone or
// may not be seen.
func processRecord(pid int) ([]byte, error) {
	record, err := unix.SysctlRaw("kern.proc.pid", pid)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	return record, err
}

// commandOf is the argument vector of a process, nil where it may not be read.
func commandOf(pid int) []string {
	text, err := unix.SysctlRaw("kern.proc.args", pid)
	if err != nil {
		return nil
	}
	return parseCommandLine(text)
}

// executableOf is the path of the program that a process runs, "" where the
// kernel has no name for it any more.
func executableOf(pid int) string {
	text, err := unix.SysctlRaw("kern.proc.pathname", pid)
	if err != nil {
		return ""
	}
	return unix.ByteSliceToString(text)
}

// terminalNames names terminals by their device numbers, as "pts/3". The zero
// value has not looked yet.
type terminalNames struct{ known map[uint64]string }

func (n *terminalNames) of(device uint64) string {
	if device == 0 {
		return ""
	}
	if n.known == nil {
		n.known = readTerminals()
	}
	return n.known[device]
}

// readTerminals finds the terminals of pts(4), vt(4) and uart(4).
func readTerminals() map[uint64]string {
	names := make(map[uint64]string)
	for _, pattern := range []string{"/dev/pts/*", "/dev/tty*", "/dev/console"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			var stat unix.Stat_t
			if unix.Stat(path, &stat) == nil {
				names[stat.Rdev] = strings.TrimPrefix(path, "/dev/")
			}
		}
	}
	return names
}
