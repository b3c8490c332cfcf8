package netstate

import "context"

// read asks the kernel in the order in which facts depend on each other: the
// policy first, which has the ephemeral range, then the sockets, then the owners of just those sockets, then facts about just
// those owners.
func read(ctx context.Context, s *Snapshot) error {
	readPolicy(s)
	if err := readSockets(ctx, s); err != nil {
		return err
	}
	if err := readUnixSockets(ctx, s); err != nil {
		return err
	}
	readOwners(ctx, s)
	readOptions(s)
	readUserNames(s)
	return nil
}
