package netstate

import (
	"slices"
	"strings"
)

// freebsdView is how much of a FreeBSD system the reader may see: other users'
// sockets and processes where security.bsd.see_other_uids and see_other_gids
// permit it or it is root, and only its own jail from inside one (security(7),
// jail(8)).
type freebsdView struct {
	root bool
	// jailed without a network stack of its own (vnet) it shares ports with
	// sockets that it can't see.
	jailed, ownNetwork bool
	// hidesUsers and hidesGroups are the settings, reversed.
	hidesUsers, hidesGroups bool
	// filesFailure is why the list of descriptors could not be read.
	filesFailure string
}

// complete tells whether every process could be looked at.
func (v freebsdView) complete() bool { return v.root && !v.jailed && v.filesFailure == "" }

// socketLimits say which sockets may be missing.
func (v freebsdView) socketLimits() []Limit {
	var limits []Limit
	if v.jailed && !v.ownNetwork {
		limits = append(limits, Limit{
			Kind: LimitUnsupported,
			What: "the sockets of the host and of other jails",
			Why:  "a jail sees only its own",
		})
	}
	if why := v.hides(); why != "" {
		limits = append(limits, Limit{Kind: LimitUnsupported, What: "the sockets of other users", Why: why})
	}
	return limits
}

// hides says which setting hides what is other users', "" for none.
func (v freebsdView) hides() string {
	var settings []string
	if v.hidesUsers {
		settings = append(settings, "security.bsd.see_other_uids")
	}
	if v.hidesGroups {
		settings = append(settings, "security.bsd.see_other_gids")
	}
	if v.root || len(settings) == 0 {
		return ""
	}
	return "only root may see them (" + strings.Join(settings, ", ") + ")"
}

// ownerLimits say which sockets may have owners that were not seen.
func (v freebsdView) ownerLimits(sockets []Socket) []Limit {
	if v.complete() {
		return nil
	}
	var ownerless []uint64
	for _, s := range sockets {
		if s.Inode != 0 && len(s.Owners) == 0 {
			ownerless = append(ownerless, s.Inode)
		}
	}
	if len(ownerless) == 0 {
		return nil
	}
	slices.Sort(ownerless)
	return []Limit{ownersLimit(slices.Compact(ownerless), "", v.ownersReason())}
}

func (v freebsdView) ownersReason() string {
	reasons := []string{v.filesFailure, v.hides()}
	if v.jailed {
		reasons = append(reasons, "processes outside this jail can't be seen")
	}
	reasons = slices.DeleteFunc(reasons, empty)
	if len(reasons) == 0 {
		return "only root sees every process"
	}
	return strings.Join(reasons, "; ")
}

// peersOfFreeBSD are the sockets at the other end of those that were closed
// here and wait for it.
func peersOfFreeBSD(sockets []Socket, all []freebsdSocket) []Socket {
	var peers []Socket
	for _, s := range sockets {
		if s.Inode != 0 || !waitsForPeer(s.State) || s.Local == s.Remote {
			continue
		}
		i := slices.IndexFunc(all, func(o freebsdSocket) bool {
			return o.Network == s.Network && sameEndpoint(o.Local, s.Remote) && sameEndpoint(o.Remote, s.Local)
		})
		if i >= 0 {
			peers = append(peers, all[i].Socket)
		}
	}
	return peers
}

// addFreeBSD takes over the sockets that a query asks for.
func (s *Snapshot) addFreeBSD(query portQuery, all []freebsdSocket) {
	var counter *ephemeralCounter
	if query.ephemeral {
		counter = newEphemeralCounter(&s.Policy)
	}
	var sockets []Socket
	for _, socket := range all {
		if query.ports.contains(socket.Local.Port()) {
			sockets = append(sockets, socket.Socket)
		}
		if counter != nil {
			counter.add(socket.Socket)
		}
	}
	if counter != nil && s.Ephemeral == nil {
		s.Ephemeral = counter.use(query.network)
	}
	s.Sockets = append(s.Sockets, sockets...)
	s.Peers = append(s.Peers, peersOfFreeBSD(sockets, all)...)
}
