//go:build !linux

package main

import "os"

// standardOutputClosed tells whether this process was started without a
// standard output, as far as this system lets it know.
func standardOutputClosed() bool {
	_, err := os.Stdout.Stat()
	return err != nil
}
