package netstate

import "context"

// windowsCalls makes the calls that [windowsSystem] stands for.
type windowsCalls struct{}

func read(ctx context.Context, s *Snapshot) error {
	if err := readWindows(ctx, s, windowsCalls{}); err != nil {
		return err
	}
	readUnixPaths(s)
	return nil
}
