package netstate

import (
	"errors"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// peersOfOrphans returns the sockets at the other end of those that nobody has
// open any more and that wait for the other end to close.
func (d *inetDiag) peersOfOrphans(sockets []Socket) ([]Socket, error) {
	var peers []Socket
	lookups := 0
	for _, s := range sockets {
		if s.Inode != 0 || !waitsForPeer(s.State) || s.Local == s.Remote {
			continue
		}
		if lookups++; lookups > maxLookups {
			break
		}
		peer, found, err := d.lookUp(s.Remote, s.Local, s.Device)
		if err != nil {
			return nil, err
		}
		if found {
			peers = append(peers, peer.Socket)
		}
	}
	return peers, nil
}

// lookUp finds one TCP connection by its addresses.
func (d *inetDiag) lookUp(local, remote netip.AddrPort, device string) (inetDiagRow, bool, error) {
	d.setDeadline()
	replies, err := d.conn.Execute(tcpLookup(local, remote, interfaceIndex(device)))
	if errors.Is(err, unix.ENOENT) {
		return inetDiagRow{}, false, nil
	}
	if err != nil {
		return inetDiagRow{}, false, d.failure(err)
	}
	for _, reply := range replies {
		s, err := parseInetDiag(TCP, reply.Data, d.interfaceName)
		if err != nil {
			return inetDiagRow{}, false, err
		}
		if sameEndpoint(s.Local, local) && sameEndpoint(s.Remote, remote) {
			return s, true, nil
		}
	}
	return inetDiagRow{}, false, nil
}

// interfaceIndex is 0 for no device, and for one that is gone.
func interfaceIndex(device string) uint32 {
	if device == "" {
		return 0
	}
	found, err := net.InterfaceByName(device)
	if err != nil {
		return 0
	}
	return uint32(found.Index)
}
