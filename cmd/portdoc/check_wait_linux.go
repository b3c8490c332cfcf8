package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// sleep returns when the time is over, when one of the processes has ended, or
// with the error of a context that ended, up to [processInterval] late.
func (p pause) sleep(ctx context.Context) error {
	processes := openProcesses(p.pids)
	defer func() {
		for _, process := range processes {
			unix.Close(int(process.Fd))
		}
	}()
	if len(processes) == 0 {
		if len(p.pids) > 0 { // they have ended, or can't be waited for
			p.length = min(p.length, pollInterval)
		}
		return sleepFor(ctx, p.length)
	}
	for end := time.Now().Add(p.length); ctx.Err() == nil; {
		left := time.Until(end)
		ended, err := unix.Poll(processes, int(min(max(0, left), processInterval).Milliseconds()))
		if ended > 0 || left <= 0 || err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return ctx.Err()
}

// openProcesses returns what poll(2) needs to wait for processes to end
// (pidfd_open(2), Linux 5.3), without those that it can't be had for.
func openProcesses(pids []int) []unix.PollFd {
	var processes []unix.PollFd
	for _, pid := range pids {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			processes = append(processes, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		}
	}
	return processes
}
