package netstate

import (
	"context"
	"slices"
)

// read asks the kernel in the order in which facts depend on each other: the
// sockets first, then the owners of just those sockets, then facts about just
// those owners. The policy is read beside them.
func read(ctx context.Context, s *Snapshot) error {
	policy := make(chan *Snapshot, 1)
	go func() {
		part := new(Snapshot)
		readPolicy(part)
		policy <- part
	}()
	if asksEphemeral(s.Query) { // whose range is part of the policy
		s.addPolicy(<-policy)
		close(policy)
	}
	if err := readSockets(ctx, s); err != nil {
		return err
	}
	if err := readUnixSockets(ctx, s); err != nil {
		return err
	}
	readOwners(ctx, s)
	readOptions(s)
	s.addPolicy(<-policy)
	readUserNames(s)
	return nil
}

func asksEphemeral(query Query) bool {
	return slices.ContainsFunc(query.Endpoints, func(e Endpoint) bool { return e.Network != Unix && e.Port == 0 })
}

// addPolicy takes over what readPolicy has filled in; part may be nil.
func (s *Snapshot) addPolicy(part *Snapshot) {
	if part == nil {
		return
	}
	s.Policy = part.Policy
	s.Host.Release, s.Host.Privileged = part.Host.Release, part.Host.Privileged
	s.Limits = append(part.Limits, s.Limits...)
}
