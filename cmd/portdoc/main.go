// Command portdoc says why an address can't be bound and what to do about it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	growStack(0)
	// A reader that goes away is an error of the write, not a silent death.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(context.Background(), os.Args[1:], systemConsole()))
}

// growStack makes the stack as large as most runs need while next to nothing is
// on it. It would grow by doubling else, and each time the tables of all
// functions that are on it are read: 4 % of a whole `portdoc why`. What it is
// called with is 0, so the room is never touched.
//
//go:noinline
func growStack(at int) byte {
	if at == 0 {
		return 0
	}
	var room [30 << 10]byte
	return room[at]
}
