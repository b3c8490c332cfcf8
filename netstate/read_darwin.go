package netstate

import "context"

// read asks the kernel in the order in which facts depend on each other: the
// sockets first, then the owners of just those sockets, then facts about just
// those owners and the last users.
func read(ctx context.Context, s *Snapshot) error {
	readPolicy(s)
	if err := readSockets(ctx, s); err != nil {
		return err
	}
	readUnixPaths(s)
	readProcesses(ctx, s)
	readUserNames(s)
	return nil
}
