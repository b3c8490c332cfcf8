package netstate

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// read asks the kernel for the lists of sockets and descriptors, which anyone
// may read as far as he may see their owners, and then for facts about just
// those owners.
func read(ctx context.Context, s *Snapshot) error {
	readPolicy(s)
	readUnixPaths(s)
	var terminals terminalNames
	system := freebsdSystem{
		list: sysctlList, sockstat: runSockstat, zone: zoneName, terminal: terminals.of,
		process: processRecord, arguments: commandOf, executable: executableOf, root: os.DirFS("/"),
		pid: os.Getpid(), view: readView(s),
	}
	if err := system.readSockets(ctx, s); err != nil {
		return err
	}
	system.readProcesses(s)
	readUserNames(s)
	return nil
}

// readView reads how much the reader may see. What can't be read is taken for
// hidden.
func readView(s *Snapshot) freebsdView {
	on := func(name string) bool {
		value, err := unix.SysctlUint32(name)
		return err == nil && value != 0
	}
	jailed, err := unix.SysctlUint32("security.jail.jailed")
	view := freebsdView{
		root:        os.Geteuid() == 0,
		jailed:      err != nil || jailed != 0,
		ownNetwork:  on("security.jail.vnet"),
		hidesUsers:  !on("security.bsd.see_other_uids"),
		hidesGroups: !on("security.bsd.see_other_gids"),
	}
	s.Host.Privileged = view.root && !view.jailed
	return view
}

// mostReadings bounds how often a list is read again that grew while it was.
const mostReadings = 5

// sysctlList reads a list whose length changes all the time. A descriptor of
// this process is open meanwhile.
func sysctlList(name string) (list []byte, err error) {
	if own, err := privateSocket(unix.AF_UNIX, unix.SOCK_DGRAM); err == nil {
		defer unix.Close(own)
	}
	for range mostReadings {
		list, err = unix.SysctlRaw(name)
		if !errors.Is(err, unix.ENOMEM) {
			break
		}
	}
	return list, os.NewSyscallError("sysctl "+name, err)
}

// sockstatDeadline is far more than sockstat takes on a busy machine.
const sockstatDeadline = 10 * time.Second

func runSockstat(ctx context.Context, arguments ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, sockstatDeadline)
	defer cancel()
	return exec.CommandContext(ctx, "/usr/bin/sockstat", arguments...).Output()
}

// zoneName names an interface by its number.
func zoneName(index uint32) string {
	if found, err := net.InterfaceByIndex(int(index)); err == nil {
		return found.Name
	}
	return zoneNumber(index)
}
