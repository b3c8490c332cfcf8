package trace

import (
	"bytes"
	"strconv"
	"time"
)

// elsewhere tells whether /proc/TID/syscall shows a thread that waits in
// another call than the one with this number at this place of the program
// (proc_pid_syscall(5)). A thread that is "running" may be anywhere.
func elsewhere(text []byte, number int32, instruction uint64) bool {
	fields := bytes.Fields(text)
	if len(fields) == 0 || string(fields[0]) == "running" {
		return false
	}
	current, err := strconv.ParseInt(string(fields[0]), 10, 32)
	if err != nil || int32(current) != number {
		return true
	}
	place, err := strconv.ParseUint(string(fields[len(fields)-1]), 0, 64)
	return err != nil || place != instruction
}

func parseNanoseconds(text []byte) (time.Duration, bool) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	return time.Duration(n), err == nil
}
