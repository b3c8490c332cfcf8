package netstate

// eachSocket visits every socket that can have owners: its inode and where
// the owners go. Serving tells whether it can be waited on for new peers.
func eachSocket(s *Snapshot, visit func(socket socketRow)) {
	for _, sockets := range [][]Socket{s.Sockets, s.Peers} {
		for i := range sockets {
			socket := &sockets[i]
			visit(socketRow{socket.Inode, socket.State, socket.UID, &socket.Owners, socket.Network})
		}
	}
	for i := range s.Unix {
		socket := &s.Unix[i]
		visit(socketRow{socket.Inode, socket.State, socket.UID, &socket.Owners, Unix})
	}
}

// socketRow is the part of an internet or unix socket that matters here.
type socketRow struct {
	inode   uint64
	state   State
	uid     *uint32
	owners  *[]Owner
	network Network
}

// serves tells whether a program that has the socket would wait for it.
func (r socketRow) serves() bool {
	return r.state == StateListen || r.state == StateBound || r.state == StateUnconnected
}
