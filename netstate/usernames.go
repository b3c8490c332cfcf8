package netstate

// readUserNames fills in the names of users, where the system tells them.
func readUserNames(s *Snapshot) {
	wanted := make(map[uint32]bool)
	want := func(uid *uint32) {
		if uid != nil {
			wanted[*uid] = true
		}
	}
	want(s.Policy.UID)
	eachSocket(s, func(row socketRow) { want(row.uid) })
	for _, p := range s.Processes {
		want(p.UID)
	}
	s.Users = userNames(wanted)
	if s.Policy.UID != nil {
		s.Host.User = s.Users[*s.Policy.UID]
	}
	for i := range s.Processes {
		if uid := s.Processes[i].UID; uid != nil {
			s.Processes[i].User = s.Users[*uid]
		}
	}
}
