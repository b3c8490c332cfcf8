package netstate

import (
	"strconv"
	"strings"
)

// releaseAtLeast compares the beginning of a Linux release string, as
// "6.8.0-31-generic", with a version. A string that does not begin like one
// is older than all.
func releaseAtLeast(release string, major, minor int) bool {
	first, rest, _ := strings.Cut(release, ".")
	a, err := strconv.Atoi(first)
	if err != nil {
		return false
	}
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	b, err := strconv.Atoi(rest[:digits])
	return err == nil && (a > major || a == major && b >= minor)
}
