package diagnose

import (
	"fmt"

	"portdoc/netstate"
)

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
// of that system alone: nothing is tried. A success is predicted only if the
// snapshot was asked about the port and nothing kept sockets out of it.
func Predict(s *netstate.Snapshot, request netstate.BindRequest) Prediction {
	p := predict(s, request)
	if p.Bind == ResultOK {
		if missing := unseen(s, request); missing != "" {
			return Prediction{Bind: ResultUnknown, Missing: missing}
		}
	}
	return p
}

func predict(s *netstate.Snapshot, request netstate.BindRequest) Prediction {
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
	return Prediction{Bind: ResultUnknown, Missing: "how " + s.Host.OS + " compares sockets"}
}

// unseen says which sockets of the port may be there and not in the snapshot,
// "" for none.
func unseen(s *netstate.Snapshot, request netstate.BindRequest) string {
	asked := netstate.PortRange{First: request.Port, Last: request.Port}
	if request.Port != 0 && !queried(s, request.Network, asked) {
		return fmt.Sprintf("the %s sockets of port %d, which the snapshot is not about", request.Network, request.Port)
	}
	for _, limit := range s.Limits {
		switch limit.Kind {
		case netstate.LimitUnstable, netstate.LimitUnsupported, netstate.LimitBound:
			if about(limit, request.Network) {
				return limit.What
			}
		}
	}
	return ""
}
