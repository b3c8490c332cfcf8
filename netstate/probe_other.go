//go:build !linux && !darwin && !freebsd && !openbsd && !netbsd && !dragonfly && !windows

package netstate

// bindAndClose makes no bind: this system's calls are not known here.
func bindAndClose(BindRequest) (string, bool) { return "", false }
