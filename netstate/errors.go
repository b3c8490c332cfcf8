package netstate

import "errors"

// ErrUnsupported is returned where this system has no source for what was
// asked.
var ErrUnsupported = errors.New("not supported on this system")
