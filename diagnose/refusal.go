package diagnose

import "portdoc/netstate"

// refusalCheck is one of the tests that a system makes before it looks at
// other sockets. It returns the errno of a bind that fails it, or what is
// missing where that can't be told, or nothing.
type refusalCheck func(s *netstate.Snapshot, request netstate.BindRequest) (errno, missing string)

// firstRefusal makes the checks in order, up to the first that settles the
// matter.
func firstRefusal(s *netstate.Snapshot, request netstate.BindRequest, checks []refusalCheck) (errno, missing string) {
	for _, check := range checks {
		if errno, missing := check(s, request); errno != "" || missing != "" {
			return errno, missing
		}
	}
	return "", ""
}

// refusal turns the result of checks into a prediction, if there is one.
func refusal(errno, missing string) (Prediction, bool) {
	switch {
	case errno != "":
		return Prediction{Bind: errno}, true
	case missing != "":
		return Prediction{Bind: ResultUnknown, Missing: missing}, true
	}
	return Prediction{}, false
}

// familyRefusal is EAFNOSUPPORT from socket(2), before there is anything to
// bind. That a family has a socket or an address shows that it is there.
func familyRefusal(s *netstate.Snapshot, request netstate.BindRequest) (errno, missing string) {
	fact, family, name := s.Policy.IPv6, netstate.IPv6, "IPv6"
	if request.Address.Is4() {
		fact, family, name = s.Policy.IPv4, netstate.IPv4, "IPv4"
	}
	switch {
	case fact == nil && !familySeen(s, family):
		return "", "whether the system has " + name
	case fact != nil && !*fact:
		return "EAFNOSUPPORT", ""
	}
	return "", ""
}

func familySeen(s *netstate.Snapshot, family netstate.Family) bool {
	for _, a := range s.Policy.Addresses {
		if a.Prefix.Addr().Is4() == (family == netstate.IPv4) {
			return true
		}
	}
	for i := range s.Sockets {
		if s.Sockets[i].Family == family {
			return true
		}
	}
	return false
}

// requestUID is the user whose socket it will be, nil where not known.
func requestUID(s *netstate.Snapshot, request netstate.BindRequest) *uint32 {
	if request.UID != nil {
		return request.UID
	}
	return s.Policy.UID
}

// mayBindPrivileged tells whether the process that binds has the privilege to
// bind any port. The snapshot knows that of its reader's user only.
func mayBindPrivileged(s *netstate.Snapshot, request netstate.BindRequest) truth {
	if request.UID != nil && sameUser(request.UID, s.Policy.UID) != yes {
		return unsure
	}
	return known(s.Policy.BindPrivileged)
}

// privilegedPortRefusal is EACCES for a port below the first that everybody
// may bind.
func privilegedPortRefusal(s *netstate.Snapshot, request netstate.BindRequest) (errno, missing string) {
	may := mayBindPrivileged(s, request)
	if request.Port == 0 || may == yes {
		return "", ""
	}
	start := s.Policy.UnprivilegedPortStart
	switch {
	case start == nil:
		return "", "the first port that an ordinary user may bind"
	case int(request.Port) >= *start:
		return "", ""
	case may == unsure:
		return "", "whether the program may bind ports below the first unprivileged one"
	}
	return "EACCES", ""
}

// sameUser tells whether two sockets belong to one user.
func sameUser(a, b *uint32) truth {
	if a == nil || b == nil {
		return unsure
	}
	return truthOf(*a == *b)
}
