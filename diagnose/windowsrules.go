package diagnose

import (
	"net/netip"
	"slices"

	"portdoc/netstate"
)

// predictWindows follows the tables of Microsoft's "Using SO_REUSEADDR and
// SO_EXCLUSIVEADDRUSE" (learn.microsoft.com, MicrosoftDocs/win32@08f5ed21) for
// Windows Server 2003 and everything later. WSAEADDRINUSE and WSAEACCES are
// EADDRINUSE and EACCES here. There are no privileged ports.
func predictWindows(s *netstate.Snapshot, request netstate.BindRequest) Prediction {
	checks := []refusalCheck{familyRefusal, windowsAddressRefusal, excludedPortRefusal}
	if p, refused := refusal(firstRefusal(s, request, checks)); refused {
		return p
	}
	n := newWindowsSocket(s, request)
	if request.Port == 0 {
		return n.choosePort(s)
	}
	return n.predict(s)
}

// windowsSocket is a socket that binds.
type windowsSocket struct {
	netstate.BindRequest
	address netip.Addr
	uid     *uint32
}

func newWindowsSocket(s *netstate.Snapshot, request netstate.BindRequest) windowsSocket {
	return windowsSocket{BindRequest: request, address: request.Address.WithZone("").Unmap(), uid: requestUID(s, request)}
}

// windowsMode is what a socket's options make of it. Windows has no
// SO_REUSEPORT.
type windowsMode int

const (
	windowsDefault   windowsMode = iota
	windowsReuse                 // SO_REUSEADDR
	windowsExclusive             // SO_EXCLUSIVEADDRUSE
)

// windowsOutcome is what the second bind gets because of the first.
type windowsOutcome uint8

const (
	success windowsOutcome = iota
	inUse
	access
	// unpublished: Microsoft does not say.
	unpublished
)

func (o windowsOutcome) String() string {
	return [...]string{ResultOK, "EADDRINUSE", "EACCES", ResultUnknown}[o]
}

// windowsTable is indexed by the mode of the first socket, whether it has a
// specific address, the mode of the second, and whether that has one.
type windowsTable [3][2][3][2]windowsOutcome

// windowsSameUser is for two binds by one user. Two specific addresses are
// the same here: different ones never meet.
var windowsSameUser = windowsTable{
	windowsDefault: {
		{{inUse, success}, {access, success}, {inUse, success}},
		{{success, inUse}, {success, access}, {inUse, inUse}},
	},
	windowsReuse: {
		{{inUse, success}, {success, success}, {inUse, success}},
		{{success, inUse}, {success, success}, {inUse, inUse}},
	},
	windowsExclusive: {
		{{inUse, access}, {access, access}, {inUse, access}},
		{{success, inUse}, {success, access}, {inUse, inUse}},
	},
}

// windowsOtherUser is for binds by two users.
var windowsOtherUser = windowsTable{
	windowsDefault: {
		{{inUse, access}, {access, access}, {inUse, access}},
		{{success, inUse}, {success, access}, {inUse, inUse}},
	},
	windowsReuse: {
		{{inUse, access}, {success, success}, {inUse, access}},
		{{success, inUse}, {success, success}, {inUse, inUse}},
	},
	windowsExclusive: {
		{{inUse, access}, {access, access}, {inUse, access}},
		{{success, inUse}, {success, access}, {inUse, inUse}},
	},
}

// mode is that of the new socket.
func (n *windowsSocket) mode() windowsMode {
	switch {
	case n.Exclusive:
		return windowsExclusive
	case n.ReuseAddr:
		return windowsReuse
	}
	return windowsDefault
}

// modesOf are those that a socket may have, by what is known of its options.
func modesOf(e *netstate.Socket) []windowsMode {
	reuse, exclusive := known(e.Options.ReuseAddr), known(e.Options.Exclusive)
	var modes []windowsMode
	if reuse != yes && exclusive != yes {
		modes = append(modes, windowsDefault)
	}
	if reuse != no && exclusive != yes {
		modes = append(modes, windowsReuse)
	}
	if exclusive != no {
		modes = append(modes, windowsExclusive)
	}
	return modes
}

// outcomes are what n may get because of e: more than one where facts are
// missing.
func (n *windowsSocket) outcomes(e *netstate.Socket) []windowsOutcome {
	meets := n.meets(e)
	if meets == no {
		return []windowsOutcome{success}
	}
	var possible []windowsOutcome
	if meets == unsure {
		possible = append(possible, success)
	}
	for _, mode := range modesOf(e) {
		possible = append(possible, n.outcomesBeside(e, mode)...)
	}
	slices.Sort(possible)
	return slices.Compact(possible)
}

// outcomesBeside are the outcomes if e has the mode.
func (n *windowsSocket) outcomesBeside(e *netstate.Socket, mode windowsMode) []windowsOutcome {
	if e.Remote.IsValid() && n.Network == netstate.TCP {
		return []windowsOutcome{n.besideConnection(mode)}
	}
	first, second := specific(e.Local.Addr()), specific(n.address)
	if n.dual() && n.Exclusive && first == 1 && e.Family == netstate.IPv4 {
		return []windowsOutcome{access} // Said of dual-stack sockets apart.
	}
	same := sameUser(n.uid, e.UID)
	var possible []windowsOutcome
	if same != no {
		possible = append(possible, windowsSameUser[mode][first][n.mode()][second])
	}
	if same != yes {
		possible = append(possible, windowsOtherUser[mode][first][n.mode()][second])
	}
	return possible
}

// besideConnection: connections that an exclusive listener left behind keep
// off exclusive binds. Nothing is published about other pairs.
func (n *windowsSocket) besideConnection(mode windowsMode) windowsOutcome {
	if n.Exclusive && mode == windowsExclusive {
		return inUse
	}
	return unpublished
}

// isExclusive tells whether e has SO_EXCLUSIVEADDRUSE, by the outcome of a bind
// beside it: unsure where a socket without the option gives that too.
func (n *windowsSocket) isExclusive(e *netstate.Socket, outcome windowsOutcome) truth {
	gives := func(mode windowsMode) bool { return slices.Contains(n.outcomesBeside(e, mode), outcome) }
	modes := modesOf(e)
	switch {
	case !slices.Contains(modes, windowsExclusive) || !gives(windowsExclusive):
		return no
	case slices.ContainsFunc(modes, func(mode windowsMode) bool { return mode != windowsExclusive && gives(mode) }):
		return unsure
	}
	return yes
}

func specific(address netip.Addr) int {
	if isWildcard(address) {
		return 0
	}
	return 1
}

// dual tells whether the new socket reserves the port for IPv4 as well. The
// checks must then succeed on both.
func (n *windowsSocket) dual() bool { return n.address == netip.IPv6Unspecified() && !n.V6Only }

// meets tells whether the sockets have an address in common.
func (n *windowsSocket) meets(e *netstate.Socket) truth {
	held := e.Local.Addr().WithZone("").Unmap()
	overlap := truthOf(isWildcard(n.address) || isWildcard(held) || n.address == held)
	switch {
	case n.address.Is4() && !held.Is4():
		return overlap.and(truthOf(isWildcard(held))).and(known(e.Options.V6Only).not())
	case !n.address.Is4() && held.Is4():
		return overlap.and(truthOf(n.dual()))
	}
	return overlap
}

// windowsFound is what the sockets of a port make of a bind.
type windowsFound struct {
	errnos               []windowsOutcome
	conflicts, undecided []int
}

func (n *windowsSocket) search(s *netstate.Snapshot) windowsFound {
	var found windowsFound
	for i := range s.Sockets {
		e := &s.Sockets[i]
		if e.Local.Port() != n.Port || !holdsPort(e, n.Network) {
			continue
		}
		switch outcomes := n.outcomes(e); {
		case len(outcomes) > 1 || outcomes[0] == unpublished:
			found.undecided = append(found.undecided, i)
		case outcomes[0] != success:
			found.conflicts = append(found.conflicts, i)
			found.errnos = append(found.errnos, outcomes[0])
		}
	}
	slices.Sort(found.errnos)
	found.errnos = slices.Compact(found.errnos)
	return found
}

func (n *windowsSocket) predict(s *netstate.Snapshot) Prediction {
	found := n.search(s)
	switch {
	case len(found.errnos) == 1 && !n.otherErrno(s, found):
		return Prediction{Bind: found.errnos[0].String(), Culprits: found.conflicts, Undecided: found.undecided}
	case len(found.errnos) > 0:
		undecided := append(found.conflicts, found.undecided...)
		return Prediction{Bind: ResultUnknown, Undecided: undecided, Missing: "which socket Windows compares first: some refuse with WSAEADDRINUSE, some with WSAEACCES"}
	case len(found.undecided) > 0:
		return Prediction{Bind: ResultUnknown, Undecided: found.undecided, Missing: n.missing(s, found.undecided)}
	}
	p := Prediction{Bind: ResultOK, Shares: coBound(s, n.Network, n.Port, n.meets)}
	if n.Network == netstate.TCP {
		p.Listen = ResultOK
	}
	return p
}

// otherErrno tells whether one of the undecided sockets may refuse with an
// errno that differs from that of the conflicts.
func (n *windowsSocket) otherErrno(s *netstate.Snapshot, found windowsFound) bool {
	return slices.ContainsFunc(found.undecided, func(i int) bool {
		return slices.ContainsFunc(n.outcomes(&s.Sockets[i]), func(o windowsOutcome) bool {
			return o != success && o != unpublished && o != found.errnos[0]
		})
	})
}

func (n *windowsSocket) missing(s *netstate.Snapshot, undecided []int) string {
	if facts := missingFacts(s, undecided, n.uid, n.refuses); facts != "" {
		return facts
	}
	return "what Windows does beside a connection (Microsoft does not say)"
}

// refuses sums the outcomes up.
func (n *windowsSocket) refuses(e *netstate.Socket) truth {
	outcomes := n.outcomes(e)
	switch {
	case slices.Equal(outcomes, []windowsOutcome{success}):
		return no
	case slices.Contains(outcomes, success) || slices.Contains(outcomes, unpublished):
		return unsure
	}
	return yes
}

func (n *windowsSocket) choosePort(s *netstate.Snapshot) Prediction {
	scan := portScan{network: n.Network, keeps: n.meets, exhausted: "EADDRINUSE", uid: n.uid}
	p := scan.run(s)
	switch {
	case p.Bind == "EADDRINUSE":
		return Prediction{Bind: ResultUnknown, Missing: "what Windows answers when no ephemeral port is left (not published)"}
	case p.Bind == ResultOK && n.Network == netstate.TCP:
		p.Listen = ResultOK
	}
	return p
}

// windowsAddressRefusal: an address must be one of an interface.
func windowsAddressRefusal(s *netstate.Snapshot, request netstate.BindRequest) (errno, missing string) {
	address := request.Address.WithZone("").Unmap()
	switch {
	case isWildcard(address) || interfaceHas(s, address, ""):
		return "", ""
	case len(s.Policy.Addresses) == 0:
		return "", missingAddresses
	case address.IsLoopback() || address.IsMulticast():
		return "", "whether Windows binds " + address.String() + " (not published)"
	}
	return "EADDRNOTAVAIL", ""
}

// excludedPortRefusal: ports that Hyper-V, WinNAT and others have reserved
// give WSAEACCES and nobody is seen to hold them (netsh int ipv4 show
// excludedportrange).
func excludedPortRefusal(s *netstate.Snapshot, request netstate.BindRequest) (errno, missing string) {
	excluded, read := s.Policy.ExcludedPorts[request.Network]
	switch {
	case request.Port == 0:
		return "", ""
	case !read:
		return "", "the port ranges that the system has excluded"
	case slices.ContainsFunc(excluded, func(r netstate.PortRange) bool { return r.Contains(request.Port) }):
		return "EACCES", ""
	}
	return "", ""
}
