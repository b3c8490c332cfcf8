package netstate

import (
	"fmt"
	"net/netip"
	"slices"
)

// ownerRows are all sockets of one network.
type ownerRows []ownerRow

// of picks the sockets that have one of the ports. Those in a state that has
// no meaning here are limits.
func (rows ownerRows) of(ports portSet) (picked ownerRows, limits []Limit) {
	for _, r := range rows {
		switch {
		case !ports.contains(r.Local.Port()):
		case r.State == "":
			limits = append(limits, Limit{
				Kind:    LimitUnstable,
				Network: r.Network,
				What:    fmt.Sprintf("the %s socket on %s", r.Network, r.Local),
				Why:     fmt.Sprintf("it is in state %d, which is none that lasts", r.number),
			})
		default:
			picked = append(picked, r)
		}
	}
	return picked, limits
}

// withBound adds the bound sockets that are not the local half of one of the
// others: the system has a bound endpoint for connections too.
func (rows ownerRows) withBound(bound ownerRows) ownerRows {
	type endpoint struct {
		family Family
		port   uint16
		pid    int
	}
	of := func(r ownerRow) endpoint { return endpoint{r.Family, r.Local.Port(), r.pid} }
	taken := make(map[endpoint][]netip.Addr, len(rows))
	for _, r := range rows {
		taken[of(r)] = append(taken[of(r)], r.Local.Addr())
	}
	all := rows
	for _, r := range bound {
		addresses := taken[of(r)]
		wildcard := len(addresses) > 0 && r.Local.Addr().IsUnspecified()
		if r.Local.Port() == 0 || wildcard || slices.Contains(addresses, r.Local.Addr()) {
			continue
		}
		r.State, r.Remote, r.Origin = StateBound, netip.AddrPort{}, OriginBind
		all = append(all, r)
	}
	return all
}

// peersOf are the sockets at the other end of those that wait for it to close
// and that have no process.
func (rows ownerRows) peersOf(closing ownerRows) ownerRows {
	wanted := make(map[ends]bool)
	for _, s := range closing {
		if waitsForPeer(s.State) && s.pid == 0 && s.Local != s.Remote {
			wanted[endsOf(s.Remote, s.Local)] = true
		}
	}
	var peers ownerRows
	for _, r := range rows {
		if r.State != "" && wanted[endsOf(r.Local, r.Remote)] {
			peers = append(peers, r)
		}
	}
	return peers
}

// ephemeralUse counts the ports that port 0 can get and those that are taken;
// nil where the range is not known.
func (rows ownerRows) ephemeralUse(network Network, policy *Policy) *EphemeralUse {
	counter := newEphemeralCounter(policy)
	if counter == nil {
		return nil
	}
	counter.reserved = newPortSet(slices.Concat(policy.ExcludedPorts[network], policy.ReservedPorts))
	for _, r := range rows {
		counter.add(r.Socket)
	}
	return counter.use(network)
}
