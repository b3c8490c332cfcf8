//go:build !(linux || darwin || freebsd || windows)

package netstate

import (
	"context"

	psnet "github.com/shirou/gopsutil/v3/net"
)

// read asks gopsutil, which runs netstat(1) on OpenBSD and knows nothing on
// most others. A bind that is tried decides what this can't tell.
func read(ctx context.Context, s *Snapshot) error {
	readPolicy(s)
	readUnixPaths(s)
	for _, query := range portQueries(s.Query) {
		rows, err := psnet.ConnectionsWithContext(ctx, string(query.network))
		if ended := ctx.Err(); ended != nil {
			return ended
		}
		s.addConnections(query, rows, err)
	}
	readUserNames(s)
	return nil
}
