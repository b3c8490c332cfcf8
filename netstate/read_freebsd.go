package netstate

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// read asks the kernel for the lists of sockets and descriptors, which anyone
// may read as far as he may see their owners, and then for facts about just
// those owners.
func read(ctx context.Context, s *Snapshot) error {
	readPolicy(s)
	view := readView(s)
	readUnixPaths(s)
	if err := readSockets(ctx, s, &view); err != nil {
		return err
	}
	readProcesses(s)
	readUserNames(s)
	return ctx.Err()
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
