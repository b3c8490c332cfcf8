package trace

import (
	"bytes"
	"strconv"
)

// status is what /proc/PID/status says of a thread (proc_pid_status(5)).
type status struct {
	name   string
	tgid   int // the process
	uid    uint32
	binder bool // CAP_NET_BIND_SERVICE is effective
	state  byte // 'R', 'S', 'T' for stopped, ...; 0 where it is not said
}

// capNetBindService is its bit in a capability set (capabilities(7)).
const capNetBindService = 1 << 10

// parseStatus reads the lines it knows. It returns false without a process id.
func parseStatus(text []byte) (s status, ok bool) {
	for line := range bytes.Lines(text) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch string(key) {
		case "Name":
			s.name = string(value)
		case "State":
			if len(value) > 0 {
				s.state = value[0]
			}
		case "Tgid":
			s.tgid, _ = strconv.Atoi(string(value))
		case "Uid": // real, effective, saved, file system
			if ids := bytes.Fields(value); len(ids) == 4 {
				id, _ := strconv.ParseUint(string(ids[1]), 10, 32)
				s.uid = uint32(id)
			}
		case "CapEff":
			set, _ := strconv.ParseUint(string(value), 16, 64)
			s.binder = set&capNetBindService != 0
		}
	}
	return s, s.tgid > 0
}
