package diagnose

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"portdoc/netstate"
)

// row is a socket on the port or path that was asked about. Findings name
// rows by their place in inquiry.rows.
type row struct {
	netstate.Socket
	// index is the socket's place in the snapshot.
	index int
	// path and kind are those of a unix socket.
	path, kind string
	// blocks tells whether a bind that was asked for fails because of it.
	blocks bool
}

// rowsOf returns the sockets that the question is about, in an order that
// does not depend on that of the snapshot.
func rowsOf(s *netstate.Snapshot, q Question) []row {
	var rows []row
	if q.Network == netstate.Unix {
		rows = unixRows(s, q.Path)
	} else {
		for i, socket := range s.Sockets {
			if q.Port != 0 && socket.Network == q.Network && socket.Local.Port() == q.Port {
				rows = append(rows, row{Socket: socket, index: i})
			}
		}
	}
	for i := range rows {
		rows[i].Owners = slices.Clone(rows[i].Owners)
		slices.SortFunc(rows[i].Owners, func(a, b netstate.Owner) int { return cmp.Compare(a.PID, b.PID) })
	}
	if len(rows) > 1 { // the sort takes as much stack as twenty rows
		slices.SortFunc(rows, compareRows)
	}
	return rows
}

// stateOrder has those that are to be acted on first at the beginning.
var stateOrder = []netstate.State{
	netstate.StateListen, netstate.StateUnconnected, netstate.StateBound, netstate.StateEstablished,
	netstate.StateSynSent, netstate.StateSynRecv, netstate.StateCloseWait, netstate.StateFinWait1,
	netstate.StateFinWait2, netstate.StateClosing, netstate.StateLastAck, netstate.StateTimeWait,
}

func compareRows(a, b row) int {
	return cmp.Or(
		cmp.Compare(slices.Index(stateOrder, a.State), slices.Index(stateOrder, b.State)),
		strings.Compare(string(a.Family), string(b.Family)),
		a.Local.Compare(b.Local),
		a.Remote.Compare(b.Remote),
		strings.Compare(a.path, b.path),
		cmp.Compare(a.Inode, b.Inode),
		cmp.Compare(a.Cookie, b.Cookie),
		strings.Compare(a.Device, b.Device),
		cmp.Compare(a.remaining(), b.remaining()),
	)
}

// remaining is the timer's time in milliseconds, 0 without one.
func (r row) remaining() int64 {
	if r.Timer == nil {
		return 0
	}
	return r.Timer.RemainingMilliseconds
}

// receives tells whether the socket takes what is sent to the port: it
// listens, or is one that has no connections.
func (r row) receives() bool {
	return r.State == netstate.StateListen || r.Network == netstate.UDP ||
		r.Network == netstate.Unix && r.State != netstate.StateEstablished
}

// holds tells whether the socket has its address by itself, not as one end of
// a connection.
func (r row) holds() bool { return r.receives() || r.State == netstate.StateBound }

// queued tells whether it waits in a listener's accept queue, where it has no
// inode yet.
func (r row) queued() bool {
	return r.Inode == 0 && len(r.Owners) == 0 && r.Network == netstate.TCP &&
		(r.State == netstate.StateEstablished || r.State == netstate.StateCloseWait)
}

// leftover tells whether no process can have the socket any more.
func (r row) leftover() bool {
	switch r.State {
	case netstate.StateFinWait1, netstate.StateFinWait2, netstate.StateClosing, netstate.StateLastAck, netstate.StateTimeWait:
		return r.Inode == 0 && len(r.Owners) == 0
	}
	return false
}

// orphaned tells whether the socket should have an owner and none was seen.
func (r row) orphaned() bool {
	return len(r.Owners) == 0 && !r.queued() && !r.leftover() && r.State != netstate.StateSynRecv
}

// address is the socket's address, an IPv4-mapped one as the IPv4 address
// that it is.
func (r row) address() netip.Addr { return r.Local.Addr().Unmap() }

// where says the local address in words for people.
func (r row) where() string {
	if r.Network == netstate.Unix {
		return Printable(r.path)
	}
	if r.Family == netstate.IPv6 && r.Local.Addr() == netip.IPv6Unspecified() && isFalse(r.Options.V6Only) {
		return r.Local.String() + " (IPv6 and IPv4)"
	}
	return Printable(r.Local.String())
}

// claim is the part of the two address spaces that a bind takes: one address,
// all of them (the wildcard), or none (the zero Addr).
type claim struct{ v4, v6 netip.Addr }

func claimOf(address netip.Addr, v6only bool) claim {
	switch {
	case address.Is4() || address.Is4In6():
		return claim{v4: address.Unmap()}
	case address == netip.IPv6Unspecified() && !v6only:
		return claim{v4: netip.IPv4Unspecified(), v6: address}
	}
	return claim{v6: address.WithZone("")}
}

func (c claim) meets(other claim) bool {
	return sameAddress(c.v4, other.v4) || sameAddress(c.v6, other.v6)
}

func sameAddress(a, b netip.Addr) bool {
	return a.IsValid() && b.IsValid() && (a == b || a.IsUnspecified() || b.IsUnspecified())
}

// meets tells whether a bind would have an address in common with the socket.
func (r row) meets(request netstate.BindRequest) bool {
	if r.State == netstate.StateSynRecv {
		return false
	}
	mine := claimOf(r.Local.Addr(), isTrue(r.Options.V6Only))
	return mine.meets(claimOf(request.Address, request.V6Only))
}

func isTrue(b *bool) bool  { return b != nil && *b }
func isFalse(b *bool) bool { return b != nil && !*b }
