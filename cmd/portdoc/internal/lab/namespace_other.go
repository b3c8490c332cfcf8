//go:build !linux

package lab

import (
	"context"
	"errors"
	"io"
)

// Enter is what to put before a command so that it runs in the network of a
// process, "" where that is everybody's.
func Enter(int) string { return "" }

// InNetwork tells whether this process was started by [PlayInNetwork].
func InNetwork() bool { return false }

// SetNetworkUp makes a network of its own ready, which only Linux gives.
func SetNetworkUp() error { return errors.ErrUnsupported }

// ErrNoNetwork tells that this system gives a process no network of its own.
var ErrNoNetwork = errors.New("this system gives no process a network of its own")

// PlayInNetwork runs portdoc in a network of its own, which only Linux gives.
func PlayInNetwork(context.Context, string, []string, io.Writer, io.Writer) (int, error) {
	return 0, ErrNoNetwork
}
