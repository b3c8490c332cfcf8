package netstate

import "context"

func read(context.Context, *Snapshot) error { return ErrUnsupported }
