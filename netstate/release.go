package netstate

import "fmt"

// releaseAtLeast compares the beginning of a Linux release string, as
// "6.8.0-31-generic", with a version. A string that does not begin like one
// is older than all.
func releaseAtLeast(release string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(release, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a > major || a == major && b >= minor
}
