//go:build !(linux || darwin || freebsd || openbsd || netbsd || dragonfly || windows)

package netstate

import "os"

// readPolicy fills in what every system tells in the same way.
func readPolicy(s *Snapshot) {
	if uid := os.Geteuid(); uid >= 0 {
		s.Policy.UID = new(uint32(uid))
		s.Host.Privileged = uid == 0
	}
	addresses, err := readAddresses()
	s.Policy.Addresses = addresses
	s.limitPolicy("the addresses of the interfaces", err)
}

// readUnixPaths looks at no path.
func readUnixPaths(s *Snapshot) {
	for _, name := range unixNames(s.Query) {
		s.Limits = append(s.Limits, Limit{
			Kind: LimitUnsupported, Network: Unix,
			What: "what stands at " + name,
			Why:  "paths are not looked at on this system",
		})
	}
}
