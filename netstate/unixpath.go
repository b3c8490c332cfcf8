package netstate

import "slices"

// unixNames are the names of the unix endpoints, each once.
func unixNames(query Query) []string {
	var names []string
	for _, e := range query.Endpoints {
		if e.Network == Unix && !slices.Contains(names, e.Path) {
			names = append(names, e.Path)
		}
	}
	return names
}

// limitPath says what is not known of a path. Bound is what may be bound to it
// where a connection was not permitted.
func (s *Snapshot) limitPath(p Path, bound string) {
	limit := Limit{Kind: LimitPath, Network: Unix}
	switch {
	case p.Kind == PathUnknown:
		limit.What = "what stands at " + p.Path
		limit.Why = "looking at it was answered " + p.Errno
	case p.Connect == "EACCES" || p.Connect == "EPERM":
		limit.What = "whether " + bound + " is bound to " + p.Path
		limit.Why = "connecting to it was answered " + p.Connect
	default:
		return
	}
	s.Limits = append(s.Limits, limit)
}

// abstractLimit is the limit for an abstract name where there are none.
func abstractLimit(name string) Limit {
	return Limit{
		Kind: LimitUnsupported, Network: Unix,
		What: "whether the abstract name " + name + " is taken",
		Why:  "only Linux has abstract names",
	}
}

// limitPathOwners says that nobody looked for the owners of what is at a path.
func (s *Snapshot) limitPathOwners(p Path) {
	if p.Connect == "" || p.Connect == "ECONNREFUSED" {
		return
	}
	s.Limits = append(s.Limits, Limit{
		Kind: LimitPath, Network: Unix,
		What: "the processes that have the socket at " + p.Path,
		Why:  "they are not looked for on this system",
	})
}
