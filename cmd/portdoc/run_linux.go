package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// bindPrivileged tells whether this process has CAP_NET_BIND_SERVICE
// (capget(2)).
var bindPrivileged = sync.OnceValue(func() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return err == nil && data[0].Effective&(1<<unix.CAP_NET_BIND_SERVICE) != 0
})

// gainsPrivileges says what privileges a program gains when it is started, ""
// if none, or if they stay: root's filter needs no no_new_privs.
func gainsPrivileges(path string) string {
	info, err := os.Stat(path)
	if err != nil || os.Geteuid() == 0 {
		return ""
	}
	name := filepath.Base(path)
	status := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode()&os.ModeSetuid != 0 && int(status.Uid) != os.Geteuid():
		return fmt.Sprintf("%s is set-user-ID", name)
	case info.Mode()&os.ModeSetgid != 0 && int(status.Gid) != os.Getegid():
		return fmt.Sprintf("%s is set-group-ID", name)
	}
	if n, err := unix.Getxattr(path, "security.capability", nil); err == nil && n > 0 {
		return fmt.Sprintf("%s has file capabilities", name)
	}
	return ""
}
