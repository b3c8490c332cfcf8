package netstate

import "fmt"

// ownersLimit is a limit about the owners of sockets; more is "further " where
// some are known.
func ownersLimit(inodes []uint64, more, why string) Limit {
	what := fmt.Sprintf("the %sowners of %d sockets", more, len(inodes))
	if len(inodes) == 1 {
		what = fmt.Sprintf("the %sowner of socket %d", more, inodes[0])
		if more != "" {
			what = fmt.Sprintf("the %sowners of socket %d", more, inodes[0])
		}
	}
	return Limit{Kind: LimitOwners, What: what, Why: why, Inodes: inodes}
}

func empty(text string) bool { return text == "" }
