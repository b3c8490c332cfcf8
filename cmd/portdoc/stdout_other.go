//go:build !linux && !windows

package main

import "os"

// standardOutput tells whether this process was started without a standard
// output, as far as this system lets it know.
func standardOutput() presence {
	if _, err := os.Stdout.Stat(); err != nil {
		return closed
	}
	return present
}
