//go:build !darwin

package netstate

import "os"

// userNames are those in /etc/passwd. Users of other sources (LDAP) stay
// without a name.
func userNames(wanted map[uint32]bool) map[uint32]string {
	passwd, _ := os.ReadFile("/etc/passwd")
	return parseUserNames(passwd, wanted)
}
