//go:build !linux

package job

// Undisturbed calls write.
func Undisturbed(write func()) { write() }
