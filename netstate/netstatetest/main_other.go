//go:build !linux && !windows

package netstatetest

import (
	"os"
	"testing"
)

// Main runs a package's tests. Only Linux gives them a network of their own.
func Main(m *testing.M, roles Roles) {
	roles.Run()
	os.Exit(Status(m))
}

// Status is [Main] for a package that has its own way to begin and to exit.
func Status(m *testing.M) int { return m.Run() }

// Ordinary tells whether the tests run for a user who is not root.
func Ordinary() bool { return os.Geteuid() != 0 }
