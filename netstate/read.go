package netstate

import (
	"context"
	"runtime"
	"time"
)

// Read takes a snapshot of what is asked for in query. What the reader may
// not see is in the snapshot's limits; an error means that nothing at all
// could be read (errors.Is: [ErrUnsupported], context errors).
//
// It needs no privilege. With less than root the owners of other users'
// sockets are limits.
func Read(ctx context.Context, query Query) (*Snapshot, error) {
	s := &Snapshot{
		Schema: SnapshotSchema,
		Taken:  time.Now().UTC(),
		Host:   Host{OS: runtime.GOOS},
		Query:  query,
	}
	if err := read(ctx, s); err != nil {
		return nil, err
	}
	return s, nil
}
