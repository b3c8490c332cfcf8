package netstatetest

import (
	"os"
	"testing"

	"golang.org/x/sys/windows"
)

// Main runs a package's tests. Only Linux gives them a network of their own.
func Main(m *testing.M, roles Roles) {
	roles.Run()
	os.Exit(Status(m))
}

// Status is [Main] for a package that has its own way to begin and to exit.
// Under Wine it exits at once: Wine 8 can't remove temporary folders.
func Status(m *testing.M) int {
	status := m.Run()
	if windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil {
		os.Exit(status)
	}
	return status
}

// Ordinary tells whether the tests run for a user without an administrator's
// rights.
func Ordinary() bool { return !windows.GetCurrentProcessToken().IsElevated() }
