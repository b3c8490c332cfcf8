//go:build !linux

package netstatetest

import (
	"os"
	"testing"
)

// Main runs a package's tests. Only Linux gives them a network of their own.
func Main(m *testing.M, roles Roles) {
	roles.run()
	os.Exit(m.Run())
}

// Ordinary tells whether the tests run for a user who is not root.
func Ordinary() bool { return os.Geteuid() != 0 }
