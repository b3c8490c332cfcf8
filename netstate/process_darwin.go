package netstate

import (
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// findProcess reads one process, nil if it is gone.
func findProcess(pid int, terminals *terminalNames) *xnuProcess {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid {
		return nil
	}
	x := &xnuProcess{
		pid: pid, ppid: int(info.Eproc.Ppid), pgid: int(info.Eproc.Pgid), formerParent: int(info.Proc.P_oppid),
		name:    unix.ByteSliceToString(info.Proc.P_comm[:]),
		uid:     info.Eproc.Ucred.Uid,
		status:  info.Proc.P_stat,
		flags:   info.Proc.P_flag,
		signal:  info.Proc.P_xstat,
		started: time.Unix(info.Proc.P_starttime.Unix()),
		tty:     terminals.name(info.Eproc.Tdev),
	}
	x.sid, _ = unix.Getsid(pid)
	return x
}

// terminalNames are the names of terminals by their device numbers, read when
// the first is asked for.
type terminalNames struct{ byDevice map[int32]string }

// name is relative to /dev, as "ttys003"; "" for no terminal (NODEV), and for
// one that is gone.
func (t *terminalNames) name(device int32) string {
	if device == -1 {
		return ""
	}
	if t.byDevice == nil {
		t.byDevice = readTerminals()
	}
	return t.byDevice[device]
}

func readTerminals() map[int32]string {
	names := make(map[int32]string)
	entries, _ := os.ReadDir("/dev")
	for _, entry := range entries {
		name := entry.Name()
		if name != "console" && !strings.HasPrefix(name, "tty") {
			continue
		}
		var status unix.Stat_t
		if unix.Lstat("/dev/"+name, &status) == nil && status.Mode&unix.S_IFMT == unix.S_IFCHR {
			names[status.Rdev] = name
		}
	}
	return names
}

// userNames are those of Directory Services: /etc/passwd has only the users of
// the system itself.
func userNames(wanted map[uint32]bool) map[uint32]string {
	names := make(map[uint32]string, len(wanted))
	for uid := range wanted {
		if found, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
			names[uid] = found.Username
		}
	}
	return names
}
