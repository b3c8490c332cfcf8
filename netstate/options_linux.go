package netstate

// readOptions fills in socket options that only a descriptor of the socket can
// tell.
func readOptions(s *Snapshot) {}
