package netstate

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// errNotUnderstood means that a line of a program's output has another form
// than is known.
var errNotUnderstood = errors.New("not understood")

// sockstatProtocols are the networks of sockstat(1)'s protocols, without the
// digits after them, which say for which versions of IP the socket is open.
// "toe" is TCP in the network card.
var sockstatProtocols = map[string]Network{"tcp": TCP, "toe": TCP, "udp": UDP}

// otherSockstatProtocols are those that are nobody's business here.
var otherSockstatProtocols = []string{"sctp", "div", "divert", "stream", "dgram", "seqpac", "icmp", "icmp6"}

// decodeSockstat reads what `sockstat -46 -s` of FreeBSD prints: columns for
// user, command (which may have spaces), pid, descriptor, protocol, local and
// foreign address, and the state of a connection. Several descriptors of one
// address are one socket, since nothing tells them apart. States that are not
// printed are LISTEN and ESTABLISHED, and stated is false.
func decodeSockstat(text string) (sockets []Socket, stated bool, err error) {
	var rows sockstatRows
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			continue
		case fields[0] == "USER":
			stated = strings.Contains(line, "STATE")
			continue
		}
		if err := rows.add(fields); err != nil {
			return nil, false, fmt.Errorf("sockstat printed %q: %w", strings.TrimSpace(line), err)
		}
	}
	return rows.sockets, stated, nil
}

// sockstatRows collects sockets.
type sockstatRows struct{ sockets []Socket }

// add takes a line, read from the right.
func (r *sockstatRows) add(fields []string) error {
	state := ""
	if last := fields[len(fields)-1]; connectionStates[last] != "" {
		state, fields = last, fields[:len(fields)-1]
	}
	n := len(fields)
	if n < 7 {
		return errNotUnderstood
	}
	protocol := fields[n-3]
	name := strings.TrimRight(protocol, "46")
	network, ok := sockstatProtocols[name]
	if !ok {
		if slices.Contains(otherSockstatProtocols, name) || slices.Contains(otherSockstatProtocols, protocol) {
			return nil
		}
		return errNotUnderstood
	}
	socket, err := sockstatSocket(network, strings.TrimPrefix(protocol, name), fields[n-2], fields[n-1], state)
	if err != nil {
		return err
	}
	return r.addOwned(socket, fields[n-5], fields[n-4])
}

// addOwned adds a socket and the owner of one of its descriptors. "?" stands
// for no owner, and each such line for a socket of its own.
func (r *sockstatRows) addOwned(socket Socket, pidText, fdText string) error {
	if pidText == "?" {
		r.sockets = append(r.sockets, socket)
		return nil
	}
	pid, pidErr := strconv.Atoi(pidText)
	fd, fdErr := strconv.Atoi(fdText)
	if pidErr != nil || fdErr != nil || pid <= 0 || fd < 0 {
		return errNotUnderstood
	}
	i := slices.IndexFunc(r.sockets, func(s Socket) bool {
		return len(s.Owners) > 0 && s.Network == socket.Network && s.Family == socket.Family &&
			s.Local == socket.Local && s.Remote == socket.Remote && s.State == socket.State
	})
	if i < 0 {
		// This source has no numbers of sockets, and one with an owner has
		// one: its place in the list.
		socket.Inode = uint64(len(r.sockets)) + 1
		i = len(r.sockets)
		r.sockets = append(r.sockets, socket)
	}
	s := &r.sockets[i]
	owners := make(map[int][]int)
	for _, o := range s.Owners {
		owners[o.PID] = o.FDs
	}
	owners[pid] = append(owners[pid], fd)
	s.Owners = ownersByPID(owners)
	return nil
}

func sockstatSocket(network Network, versions, local, remote, state string) (Socket, error) {
	s := Socket{Network: network, Family: IPv6}
	if versions == "4" {
		s.Family = IPv4
	}
	var err error
	if s.Local, err = sockstatAddress(s.Family, local); err != nil {
		return Socket{}, err
	}
	peer, err := sockstatAddress(s.Family, remote)
	if err != nil {
		return Socket{}, err
	}
	if peer.Port() != 0 {
		s.Remote = peer
	}
	// For other addresses than the wildcard it makes no difference.
	if s.Family == IPv6 && s.Local.Addr().IsUnspecified() {
		s.Options.V6Only = new(versions == "6")
	}
	s.State = sockstatState(network, state, s.Remote.IsValid())
	s.Origin = originByState(&s)
	return s, nil
}

func sockstatState(network Network, state string, connected bool) State {
	switch {
	case network == UDP && connected, network == TCP && state == "" && connected:
		return StateEstablished
	case network == UDP:
		return StateUnconnected
	case state == "":
		return StateListen
	}
	return connectionStates[state]
}

// sockstatAddress reads "*:22", "10.0.0.1:22", "[::1]:22" or, of older
// releases, "::1:22"; "*" as the port is none.
func sockstatAddress(family Family, text string) (netip.AddrPort, error) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return netip.AddrPort{}, errNotUnderstood
	}
	host, portText := strings.Trim(text[:colon], "[]"), text[colon+1:]
	var port uint64
	var err error
	if portText != "*" {
		if port, err = strconv.ParseUint(portText, 10, 16); err != nil {
			return netip.AddrPort{}, errNotUnderstood
		}
	}
	address := netip.IPv6Unspecified()
	if family == IPv4 {
		address = netip.IPv4Unspecified()
	}
	if host != "*" {
		if address, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, errNotUnderstood
		}
	}
	if family == IPv6 && address.Is4() {
		address = netip.AddrFrom16(address.As16())
	}
	if family == IPv4 && !address.Is4() {
		return netip.AddrPort{}, errNotUnderstood
	}
	return netip.AddrPortFrom(address, uint16(port)), nil
}

// sockstatLimits say what a snapshot of one network lacks that was read from
// sockstat.
func sockstatLimits(network Network, stated bool, refusal error) []Limit {
	name := string(network)
	limits := []Limit{
		{Kind: LimitSource, What: "all but one of several " + name + " sockets that share an address (SO_REUSEPORT)"},
		{Kind: LimitSource, What: "the options, users and queues of " + name + " sockets"},
	}
	if network == TCP {
		limits = append(limits, Limit{Kind: LimitSource, What: "the remaining times of TIME_WAIT"})
		if !stated {
			limits = append(limits, Limit{Kind: LimitSource, What: "the states of tcp sockets, which are shown as LISTEN and ESTABLISHED"})
		}
	}
	for i := range limits {
		limits[i].Network = network
		limits[i].Why = "the kernel's own list could not be read (" + refusal.Error() + "), and what sockstat prints lacks them"
	}
	return limits
}
