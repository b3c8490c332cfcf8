//go:build !linux

package lab

import (
	"errors"
	"io"
)

// Act is what an actor does. Only Linux has it.
func Act(io.Reader, io.Writer) error { return errors.ErrUnsupported }
