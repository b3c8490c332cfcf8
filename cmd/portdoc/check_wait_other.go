//go:build !linux

package main

import "context"

// sleep returns when the time is over, or soon where there is a process to wait
// for: only Linux tells when one that is no child has ended.
func (p pause) sleep(ctx context.Context) error {
	if len(p.pids) > 0 {
		p.length = min(p.length, max(pollInterval, p.least))
	}
	return sleepFor(ctx, p.length)
}
