package errortext

import "strings"

// Programs that look before they bind, or hide the reason, say in words of
// their own that a port is taken or that they could not bind.
var (
	portTaken = []pattern{
		match(`\b(?:ports?|address)\b[^;]{0,70}?\b(?:(?:is|are|was|were|be|been|already|currently|currently being|being) ){1,3}(?:in use|being used|used by|used|taken|occupied|allocated|bound|busy|claimed|running|open by|unavailable|not available|not free)\b`, "port", "address"),
		match(`\bports? \S{1,24} (?:in use|taken|occupied|busy|unavailable|not available|already)\b`, "port"),
		match(`\bport already (?:in use|used|taken|allocated|bound)\b|\bports? (?:is )?in use\b`, "port"),
		match(`\b(?:already|something|some process|another|other process|process|something else) (?:\S+ ){0,3}?(?:listening|running|bound|using|uses|used)\b[^.;]{0,40}\bports?\b`, "port"),
		match(`\bport \d+ is not open on \S+.*could not start`, "is not open on"),
		match(`\bport \d+ is being used\b|\bport \d+ (?:has|had) (?:already )?been (?:taken|used|allocated)\b`, "port"),
		match(`\bconnection in use: ?["'(u]|\banother (?:\S+ ){1,4}?already listen(?:s|ing)? on\b|\bin use by another (?:process|program|application|server)\b|\bsomething is already running at\b`, "connection in use", "already listen", "in use by another", "already running at"),
		match(`\bbind\b.{0,60}\balready (?:in use|bound)\b`, "bind"),
		match(`\bcannot find empty port in range\b`, "empty port"),
		match(`\b(?:could not|couldn't|cannot|can't) acquire (?:the |a )?(?:required )?'?port`, "acquire"),
		match(`\bconflicts with an existing registration on the machine`, "existing registration"),
		match(`(?:端口|端口号|連接埠|埠).{0,16}(?:被占用|已被|占用|使用中)|ポート.{0,24}(?:使用され|使用中)|포트.{0,16}사용 ?중|порт.{0,24}(?:занят|используется)|puerto.{0,24}(?:en uso|ocupado)|port.{0,20}(?:déjà utilisé|bereits (?:verwendet|belegt|benutzt|in benutzung)|est occupé|zajęty|al in gebruik)|porta.{0,24}(?:in uso|em uso|ocupada|occupata)`, "端口", "埠", "ポート", "포트", "порт", "puerto", "port"),
	}
	// Something that is no port of a network.
	otherPorts = expressed(`\bcom\d|/dev/|\bserial\b|\busb|\bmidi\b|\btty|\bhdmi|\bparallel port|\bcontainer name\b|\bnickname|\busername|\bemail|\bport type|\bvlan\b|\bveth|\blistening state\b|\bcolumn\b`)
	// A line of a program's source, as runtimes quote it.
	sourceCode = expressed(`===? ?['"]|\bconsole\.\w+\(|\bif \(|\bcatch\b ?\(|process\.exit\(|println!?\(|\braise \w+\(|\bthrow new\b`)
	// It asks or advises and does not state: a hint, a help text.
	onlyAdvice = expressed(`^\W*(?:hint:|identify and stop|is another|do you already|make sure|check (?:that|if|whether)|ensure|see |usage)|\bif (?:the |that |this )?(?:port|address)|\bor configure this application|\bto listen on another port`)

	failure = `(?:\bcan(?:'?t|not)\b|\bcan not\b|\bcould(?: not|n't)\b|\bunable to\b|\bfail(?:ed|ure|s|ing)?\b|\berror\b|\bproblem\b|\bnot\b)`
	// "could not bind", "Failed to listen on", "Problem binding to"
	cannotBind = match(failure+`[^.:]{0,48}?\b(?:bind(?:ing)?|listen(?:ing)?|expose|set up (?:a )?listen\w*|start(?:ing)? listen\w*|forward\w*)\b`, "bind", "listen", "expose", "forward")
	// "couldn't allocate port 27015"
	cannotTake = match(failure+`[^.:]{0,24}?\b(?:allocate|reserve|acquire|claim|obtain|open)\b[^.;]{0,40}\bport\b`, "port")
	// Ports of another machine, or opened in it.
	openedThere = expressed(`\bupnp\b|\bfirewall\b|\bnat\b|\bnat-pmp\b|\brouter\b|\bmapping\b|\bconnect\w*`)
	// "bind() to ADDRESS failed"
	bindFailed = match(`(?:\bbind(?:ing)?\b|\blisten(?:ing)?\b|\bforwarding\b)(?:\(\d?\))?[^;]{0,80}?\b(?:fail(?:ed|ure|s)?|error|unexpected error)\b`, "bind", "listen", "forwarding")
	// Words that stand for it in one family of programs each.
	otherPhrase = match(`\bfailed to initialize connector\b|\bunable to bind socket\b|\bports are not available\b|\bbinderrorexception\b|\bforwarding rule\b|\bcannot listen to port\b|\bconfigured to listen on port \d+ failed to start\b|\bcreate server tcp listening socket\b|\bfailed to initialize end point associated with protocolhandler\b`, "connector", "bind", "ports are", "forwarding rule", "listen", "end point")
	privileged  = match(`\bprivileged ports?\b|\bpermission to (?:access|use|bind|open|listen on) (?:that |this |the )?port\b`, "privileged", "permission to")
	onlyRoot    = match(`\bprivileged ports can only\b|\bpermission to`, "privileged", "permission to")
	noReason    = match(`\b(?:could not|cannot|can't|couldn't|unable to|failed to) (?:bind (?:\w+ ){0,3}(?:socket|port)|listen on any)\b|(?:^|[\]:>] ?)bind fail(?:ed|ure)?[.! ]*$`, "bind", "listen on any")
	bunFailed   = match(`\bfailed to start server[.\s"']*$`, "start server")
)

// phraseMention is about a line without an errno.
func phraseMention(l *line) *mention {
	m := takenMention(l)
	if m == nil {
		m = cannotMention(l)
	}
	if m == nil || otherBind.MatchString(l.low) || otherPorts.MatchString(l.low) || sourceCode.MatchString(l.low) {
		return nil
	}
	return m
}

// takenMention is about "port 80 is already in use" and its like.
func takenMention(l *line) *mention {
	for _, taken := range portTaken {
		at := taken.find(l.low)
		if at == nil || onlyAdvice.MatchString(l.low) {
			continue
		}
		r := reason{kind: AddrInUse, at: at[0], end: at[1]}
		m := &mention{kind: AddrInUse, op: Bind, endpoint: choose(l, r, false)}
		if !m.empty() || vagueTaken.MatchString(l.low[at[0]:at[1]]) {
			return m
		}
	}
	return nil
}

// vagueTaken is a taken port that the line does not name but plainly means.
var vagueTaken = expressed(`^bind\b|\bport (?:is |was |may |be )*(?:already )?(?:in use|being used|used|taken|allocated|bound)\b|listening on a port\b`)

// cannotMention is about "failed to bind to ADDRESS" and its like. Without a
// reason in the line or in the next ones, the address is said to be in use,
// which is what nearly all of them mean.
func cannotMention(l *line) *mention {
	for i, cannot := range []pattern{privileged, otherPhrase, bunFailed, cannotBind, bindFailed, cannotTake} {
		at := cannot.find(l.low)
		if at == nil {
			continue
		}
		if i > 0 && hasAny(l.low, otherReasons) || otherBind.MatchString(l.low) || i == 5 && openedThere.MatchString(l.low) {
			return nil
		}
		r := reason{at: at[0], end: at[1]}
		m := &mention{op: opOf(l.low, r), unix: saysUnix(l.low), needsPort: true}
		m.endpoint = choose(l, r, m.unix)
		switch {
		case i == 0: // privileged
			m.kind, m.needsPort = Acces, !onlyRoot.in(l.low)
		case i == 2: // bunFailed
			m.weak, m.needsPort, m.kind = true, false, AddrInUse
		case m.empty() && noReason.in(l.low) && !strings.Contains(l.low, "still could not"):
			m.needsPort = false
		case m.empty() && i != 1 || m.path != "":
			continue
		}
		return m
	}
	return nil
}
