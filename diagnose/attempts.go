package diagnose

import (
	"net/netip"
	"slices"

	"portdoc/netstate"
)

// attempt is one bind: what the rules say, and what the system answered.
type attempt struct {
	// address is the request's, or the path of a unix socket, which has no
	// request.
	address    string
	request    netstate.BindRequest
	prediction Prediction
	// observed is "" where no bind was tried.
	observed string
	// included: not tried, but part of a bind that succeeded.
	included bool
	// culprits are the rows because of which it fails, for a bind as asked.
	culprits []int
}

func (a attempt) result() string {
	switch {
	case a.observed != "":
		return a.observed
	case a.included:
		return ResultOK
	}
	return a.prediction.Bind
}

func (a attempt) failed() bool {
	result := a.result()
	return result != ResultOK && result != ResultUnknown
}

// sharing are the options with which a new socket may share an address.
type sharing struct{ reuseAddr, reusePort, exclusive bool }

func (a attempt) sharing() sharing {
	return sharing{a.request.ReuseAddr, a.request.ReusePort, a.request.Exclusive}
}

func (a attempt) options() []string {
	names := []string{}
	if a.request.ReuseAddr {
		names = append(names, "SO_REUSEADDR")
	}
	if a.request.ReusePort {
		names = append(names, "SO_REUSEPORT")
	}
	if a.request.Exclusive {
		names = append(names, "SO_EXCLUSIVEADDRUSE")
	}
	if a.request.V6Only {
		names = append(names, "IPV6_V6ONLY")
	}
	return names
}

// Requests returns the binds whose outcomes a report on the question needs.
// Put them, as [netstate.Probe] answered, into the snapshot's Observed before
// [Why].
//
// A bind that succeeds has the port for an instant, so they are as few as
// will do: those with other options only where something may be in the way.
// The kernel remembers the last SO_REUSEPORT binder of a port, so that option
// comes last. A UDP socket that shares an address would take datagrams that
// are another's: such a bind is not in the list.
func Requests(s *netstate.Snapshot, q Question) []netstate.BindRequest {
	return AppendRequests([]netstate.BindRequest{}, s, q)
}

// AppendRequests appends those of [Requests] that are not among the requests
// yet.
func AppendRequests(requests []netstate.BindRequest, s *netstate.Snapshot, q Question) []netstate.BindRequest {
	var c inquiry
	c.begin(s, q)
	requests = c.appendRequests(requests, c.asked())
	if !c.mayBeTaken() {
		return requests
	}
	for _, set := range c.optionSets()[1:] {
		requests = c.appendRequests(requests, set)
	}
	return requests
}

// appendRequests appends the binds with a set of options that are not among
// the requests yet.
func (c *inquiry) appendRequests(requests []netstate.BindRequest, set sharing) []netstate.BindRequest {
	for _, address := range c.addresses() {
		request := c.request(address, set)
		if c.mayBeTried(request) && !slices.Contains(requests, request) {
			requests = append(requests, request)
		}
	}
	return requests
}

// mayBeTried tells whether a bind takes nothing away from anybody.
func (c *inquiry) mayBeTried(request netstate.BindRequest) bool {
	if request.Network != netstate.UDP || !request.ReuseAddr && !request.ReusePort {
		return true
	}
	return !slices.ContainsFunc(c.rows, func(r row) bool { return r.meets(request) })
}

// addresses are those that the question means.
func (c *inquiry) addresses() []netip.Addr {
	if c.question.Network == netstate.Unix {
		return nil
	}
	if len(c.question.Addresses) > 0 {
		return c.question.Addresses
	}
	if c.question.Address.IsValid() {
		return []netip.Addr{c.question.Address}
	}
	addresses := c.wildcards[:0]
	if !isFalse(c.snapshot.Policy.IPv4) {
		addresses = append(addresses, netip.IPv4Unspecified())
	}
	if !isFalse(c.snapshot.Policy.IPv6) {
		addresses = append(addresses, netip.IPv6Unspecified())
	}
	return addresses
}

// optionSets are the options of the new socket that are looked at, those that
// were asked about first.
func (c *inquiry) optionSets() []sharing {
	sets := []sharing{c.asked()}
	add := func(set sharing) {
		if !slices.Contains(sets, set) {
			sets = append(sets, set)
		}
	}
	add(sharing{})
	if c.system.facts().reuse == reuseSteals {
		// SO_REUSEADDR would take the port from its holder; there is no
		// SO_REUSEPORT.
		add(sharing{exclusive: true})
		return sets
	}
	add(sharing{reuseAddr: true})
	if slices.ContainsFunc(c.rows, mayShareByReusePort) {
		add(sharing{reusePort: true})
	}
	return sets
}

func mayShareByReusePort(r row) bool {
	return isTrue(r.Options.ReusePort) || r.holds() && r.Options.ReusePort == nil
}

// asked are the question's own options. A unix socket has no such options.
func (c *inquiry) asked() sharing {
	if c.question.Network == netstate.Unix {
		return sharing{}
	}
	return sharing{reuseAddr: c.question.ReuseAddr, reusePort: c.question.ReusePort}
}

func (c *inquiry) request(address netip.Addr, set sharing) netstate.BindRequest {
	return netstate.BindRequest{
		Network:   c.question.Network,
		Address:   address,
		Port:      c.question.Port,
		ReuseAddr: set.reuseAddr,
		ReusePort: set.reusePort,
		Exclusive: set.exclusive,
		V6Only:    c.question.V6Only && address.Is6() && !address.Is4In6(),
	}
}

// mayBeTaken tells whether anything could be in the way of a bind, seen or
// not.
func (c *inquiry) mayBeTaken() bool {
	return len(c.rows) > 0 || len(c.kernelHolders()) > 0 || c.mayHideBlocker()
}

// mayHideBlocker tells whether a socket that blocks may be behind a limit.
func (c *inquiry) mayHideBlocker() bool {
	return slices.ContainsFunc(c.snapshot.Limits, func(l netstate.Limit) bool {
		switch l.Kind {
		case netstate.LimitBound, netstate.LimitSource, netstate.LimitUnstable, netstate.LimitUnsupported:
			return about(l, c.question.Network)
		}
		return false
	})
}

// makeAttempts works out the binds of the report. Those with other options
// than asked are left out where they could say nothing: the bind as asked
// succeeds, and they were not tried.
func (c *inquiry) makeAttempts() {
	if c.question.Network == netstate.Unix {
		c.attempts = []attempt{c.unixAttempt()}
		return
	}
	c.attempts = make([]attempt, 0, 2) // of most reports
	for i, set := range c.optionSets() {
		if i > 0 && c.outcome(c.asked()) == ResultOK && !c.mayBeTaken() {
			break
		}
		for _, address := range c.addresses() {
			a := c.attempt(c.request(address, set))
			if a.request.Exclusive && a.result() == ResultUnknown {
				continue // of interest only where it is known
			}
			c.attempts = append(c.attempts, a)
		}
	}
	c.markIncluded()
	c.dropMissingFamily()
	c.doubtRules()
}

// doubtRules takes back what the rules say of binds that were not tried, where
// the system answered another one in another way: the rules do not know what
// is in the way there, so they don't know whether an option gets past it.
func (c *inquiry) doubtRules() {
	for _, tried := range c.attempts {
		if !tried.surprises() {
			continue
		}
		for i := range c.attempts {
			if a := &c.attempts[i]; a.observed == "" && a.address == tried.address {
				a.prediction = Prediction{Bind: ResultUnknown}
			}
		}
	}
}

// surprises tells whether the system answered otherwise than the rules.
func (a attempt) surprises() bool {
	return a.observed != "" && a.prediction.Bind != ResultUnknown && a.prediction.Bind != a.observed
}

func (c *inquiry) attempt(request netstate.BindRequest) attempt {
	a := c.observed(request)
	a.address, a.prediction = request.Address.String(), Predict(c.snapshot, request)
	return a
}

// observed is the part of an attempt that the system answered.
func (c *inquiry) observed(request netstate.BindRequest) attempt {
	return attempt{request: request, observed: c.outcomeOf(request)}
}

// outcomeOf is what the system answered to a bind, "" if it was not tried.
func (c *inquiry) outcomeOf(request netstate.BindRequest) string {
	result := ""
	for i := range c.snapshot.Observed {
		if outcome := &c.snapshot.Observed[i]; outcome.Request == request {
			result = outcome.Result
		}
	}
	return result
}

// dropMissingFamily leaves a family out of the question that turned out to be
// switched off, when the other one is there.
func (c *inquiry) dropMissingFamily() {
	if c.question.Address.IsValid() {
		return
	}
	missing := func(a attempt) bool { return a.result() == "EAFNOSUPPORT" }
	if !slices.ContainsFunc(c.attempts, func(a attempt) bool { return !missing(a) }) {
		return
	}
	c.attempts = slices.DeleteFunc(c.attempts, missing)
}

// tries are the attempts with exactly these options.
func (c *inquiry) tries(set sharing) []*attempt {
	tries := make([]*attempt, 0, 2)
	for i := range c.attempts {
		if a := &c.attempts[i]; a.sharing() == set {
			tries = append(tries, a)
		}
	}
	return tries
}

// outcome is what a program gets that binds all addresses of the question
// with these options: "ok", the first error, or "unknown".
func (c *inquiry) outcome(set sharing) string {
	outcome := ResultOK
	tries := c.tries(set)
	for _, a := range tries {
		if a.failed() {
			return a.result()
		}
		if a.result() == ResultUnknown {
			outcome = ResultUnknown
		}
	}
	if len(tries) == 0 {
		return ResultUnknown
	}
	return outcome
}

// wasTried tells whether all attempts with these options were real binds, or
// parts of one that succeeded.
func (c *inquiry) wasTried(set sharing) bool {
	tries := c.tries(set)
	untried := func(a *attempt) bool { return a.observed == "" && !a.included }
	return len(tries) > 0 && !slices.ContainsFunc(tries, untried)
}

// markIncluded finds the binds of 0.0.0.0 that are part of one which succeeded.
func (c *inquiry) markIncluded() {
	for _, whole := range c.attempts {
		if whole.observed != ResultOK || !isWhole(c.snapshot, whole.request) {
			continue
		}
		for _, part := range c.tries(whole.sharing()) {
			part.included = part.observed == "" && part.request.Address == netip.IPv4Unspecified()
		}
	}
}

// isWhole tells whether a bind has that of 0.0.0.0 in it: on Linux a dual-stack
// one of [::] meets every socket that the other would meet
// (inet_rcv_saddr_equal in net/ipv4/inet_connection_sock.c).
func isWhole(s *netstate.Snapshot, request netstate.BindRequest) bool {
	return s.Host.OS == "linux" && request.Address == netip.IPv6Unspecified() && !request.V6Only
}

// markBlocking finds the sockets because of which a bind as asked fails.
func (c *inquiry) markBlocking() {
	for n := range c.attempts {
		a := &c.attempts[n]
		if a.sharing() != c.asked() {
			continue
		}
		a.culprits = c.findCulprits(*a)
		for _, i := range a.culprits {
			c.rows[i].blocks = true
		}
	}
}

// findCulprits returns the rows because of which an attempt fails.
func (c *inquiry) findCulprits(a attempt) []int {
	if c.question.Network == netstate.Unix {
		return c.unixCulprits(a)
	}
	switch a.result() {
	case "EADDRINUSE":
		return c.inTheWay(a, a.prediction)
	case "EACCES":
		// The lack of a privilege hides what would come after it.
		return c.inTheWay(a, c.predictPrivileged(a.request))
	}
	return nil
}

// inTheWay are the rows that a prediction names. Where the rules have nothing
// to say or were wrong, all that share an address with the new socket are in
// its way: that is so for a socket with no options.
func (c *inquiry) inTheWay(a attempt, p Prediction) []int {
	if p.Bind == ResultOK && a.observed != "EADDRINUSE" {
		return nil
	}
	named := map[int]bool{}
	for _, index := range p.Culprits {
		named[index] = true
	}
	var found []int
	for i, r := range c.rows {
		if named[r.index] || len(named) == 0 && r.meets(a.request) {
			found = append(found, i)
		}
	}
	return found
}

func (c *inquiry) predictPrivileged(request netstate.BindRequest) Prediction {
	s, yes := *c.snapshot, true
	s.Policy.BindPrivileged = &yes
	return Predict(&s, request)
}
