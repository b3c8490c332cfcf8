//go:build !linux

package job

// Undisturbed calls write.
func Undisturbed(write func()) { write() }

// undisturbed calls start. Only Linux lets it block signals first.
func undisturbed(start func() error) error { return start() }
