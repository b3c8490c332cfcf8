package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// standardOutput tells whether this process was started without a standard
// output. To ask for the type of a file needs less of the system than to ask
// for all about it, which Wine 8 can't answer.
func standardOutput() presence {
	if _, err := windows.GetFileType(windows.Handle(os.Stdout.Fd())); err != nil {
		return closed
	}
	return present
}
