package netstate

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// read asks the kernel in the order in which facts depend on each other: the
// sockets first, then the owners of just those sockets, then facts about just
// those owners and the last users.
func read(ctx context.Context, s *Snapshot) error {
	readPolicy(s)
	system := newXNUSystem()
	if err := system.readSockets(ctx, s); err != nil {
		return err
	}
	readUnixPaths(s)
	system.readProcesses(ctx, s)
	readUserNames(s)
	return nil
}

func newXNUSystem() xnuSystem {
	var terminals terminalNames
	return xnuSystem{
		list:          readList,
		run:           runTool,
		interfaceName: interfaceName,
		privileged:    os.Geteuid() == 0,
		processes: xnuProcesses{
			known:     make(map[int]*xnuProcess),
			find:      func(pid int) *xnuProcess { return findProcess(pid, &terminals) },
			arguments: func(pid int) ([]byte, error) { return unix.SysctlRaw("kern.procargs2", pid) },
		},
	}
}

// readList asks again while the table grows between the question for its size
// and that for its contents.
func readList(name string) (data []byte, err error) {
	const attempts = 8
	for range attempts {
		if data, err = unix.SysctlRaw(name); !errors.Is(err, unix.ENOMEM) {
			break
		}
	}
	return data, err
}

// interfaceName is the number of an interface that is gone.
func interfaceName(index uint32) string {
	if found, err := net.InterfaceByIndex(int(index)); err == nil {
		return found.Name
	}
	return strconv.FormatUint(uint64(index), 10)
}
