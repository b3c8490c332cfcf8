//go:build !linux && !darwin && !freebsd && !openbsd && !netbsd && !dragonfly && !windows

package netstate

// systemProber is what a [Prober] knows of this system: nothing.
type systemProber struct{}

// bindAndClose makes no bind: this system's calls are not known here.
func (systemProber) bindAndClose(BindRequest) (string, bool) { return "", false }
