//go:build linux || darwin || freebsd || openbsd || netbsd

package job

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// onResize calls resized whenever the terminal's size changes, until the
// function that it returns is called.
func onResize(resized func()) (stop func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, unix.SIGWINCH)
	go func() {
		for range changes {
			resized()
		}
	}()
	return func() { signal.Stop(changes) }
}
