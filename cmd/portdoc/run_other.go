//go:build !linux

package main

// bindPrivileged is asked only where calls are watched.
func bindPrivileged() bool { return false }

// gainsPrivileges matters only where calls are watched.
func gainsPrivileges(string) string { return "" }
