package diagnose

import "portdoc/netstate"

// Results of a bind that are no errno names.
const (
	ResultOK      = "ok"
	ResultUnknown = "unknown"
)

// Prediction is what bind(2), and the listen(2) after it, would answer.
type Prediction struct {
	// Bind is "ok", the name of an errno, or "unknown".
	Bind string
	// Listen is the same for listen(2); "" where it is not reached, or the
	// network has no such call.
	Listen string
	// Culprits are indices into the snapshot's Sockets: without all of them
	// the bind succeeds, and each of them alone makes it fail. There are
	// none when every port of a range is taken.
	Culprits []int
	// Undecided are indices of the sockets that the snapshot does not know
	// enough about to say whether they make the bind fail.
	Undecided []int
	// Missing says which fact would turn "unknown" into an answer, "" when
	// nothing is missing.
	Missing string
	// Shares are indices of sockets that a bind which succeeds would share
	// its traffic with, or take it from.
	Shares []int
}

// Predict says what the snapshot's system answers to a bind, from the rules
// of that system alone: nothing is tried.
//
// The snapshot must have been asked about the port: a socket that is not in it
// is taken for one that does not exist.
func Predict(s *netstate.Snapshot, request netstate.BindRequest) Prediction {
	switch s.Host.OS {
	case "linux":
		return predictLinux(s, request)
	case "darwin":
		return predictMacOS(s, request)
	case "freebsd":
		return predictFreeBSD(s, request)
	case "windows":
		return predictWindows(s, request)
	}
	return Prediction{Bind: ResultUnknown, Missing: "the bind rules of " + s.Host.OS}
}
