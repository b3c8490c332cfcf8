//go:build !(linux || darwin || freebsd || windows)

package netstate

import "context"

func read(context.Context, *Snapshot) error { return ErrUnsupported }
