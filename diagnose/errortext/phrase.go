package errortext

import "strings"

// Programs that look before they bind, or hide the reason, say in words of
// their own that a port is taken or that they could not bind.
// failure is how sentences say that something did not work.
const failure = `(?:\bcan(?:'?t|not)\b|\bcan not\b|\bcould(?: not|n't)\b|\bunable to\b|\bfail(?:ed|ure|s|ing)?\b|\berror\b|\bproblem\b|\bnot\b)`

var (
	portTaken = []pattern{
		match(`\b(?:ports?|address)\b[^;]{0,70}?\b(?:(?:is|are|was|were|be|been|all|both|already|currently|currently being|being) ){1,3}(?:in use|being used|used by|used|taken|occupied|allocated|bound|busy|claimed|running|open by|unavailable|not available|not free)\b`, "port", "address"),
		match(`:\d{2,5}/?["')\]]? (?:is|was) (?:in use|occupied|(?:already|currently) (?:in use|used|taken|occupied|bound))\b`, " in use", "occupied", "used", "taken", "bound"),
		match(`\bports? \S{1,24} (?:in use|taken|occupied|busy|unavailable|not available|already)\b`, "port"),
		match(`\bport already (?:in use|used|taken|allocated|bound)\b|\bports? (?:is )?in use\b`, "port"),
		match(`\b(?:already|something|some process|another|other process|process|something else) (?:\S+ ){0,3}?(?:listening|running|bound|using|uses|used)\b[^.;]{0,40}\bports?\b`, "port"),
		match(`\balready \w+ing on (?:tcp |udp )?port \d`, "already"),
		match(`\balready (?:\S+ ){0,3}?bound (?:to|on|at):? `, "bound to", "bound on", "bound at"),
		match(`\bport \d+ is not open on \S+.*could not start`, "is not open on"),
		match(`\bport \d+ is being used\b|\bport \d+ (?:has|had) (?:already )?been (?:taken|used|allocated)\b`, "port"),
		match(`\bconnection in use: ?["'(u]|\banother (?:\S+ ){1,4}?already listen(?:s|ing)? on\b(?: (?:a|the|that|this) (?:specified |requested |configured |given )?(?:port|address|socket)\b)?|\bin use by another (?:process|program|application|server)\b|\bsomething is already running at\b`, "connection in use", "already listen", "in use by another", "already running at"),
		match(`\bbind\b.{0,60}\balready (?:in use|bound)\b`, "bind"),
		match(`\b(?:no|not|cannot|can't|couldn't|unable to|fail\w* to) (?:\w+ ){0,3}?(?:free|available|empty|open|unused) ports?\b`, "free port", "available port", "empty port", "open port", "unused port"),
		match(`\b(?:prefix|url|uri|endpoint)\b.{0,80}\balready (?:registered|in use|taken|bound)\b`, "already"),
		match(`\bport\b.{0,12}\b(?:cannot|could not|can't|couldn't|can not) be (?:opened|bound|used|allocated|reserved)\b`, " be "),
		match(`\b(?:could not|couldn't|cannot|can't) acquire (?:the |a )?(?:required )?'?port`, "acquire"),
		match(`\bconflicts with an existing registration on the machine`, "existing registration"),
		match(`:\d{2,5} (?:is |was )?already (?:in use|bound|taken)\b`, "already"),
		// HTTP.sys answers a taken prefix with ERROR_SHARING_VIOLATION.
		match(`\bhttp(?:sys|listener)exception\b.{0,100}\bbeing used by another process`, "used by another process"),
		match(`(?:端口|端口号|連接埠|埠).{0,16}(?:被占用|已被|占用|使用中)|ポート.{0,24}(?:使用され|使用中)|포트.{0,16}사용 ?중|порт.{0,24}(?:занят|используется)|puerto.{0,24}(?:en uso|ocupado|siendo (?:usad|utilizad)o)|port.{0,20}(?:déjà utilisé|bereits (?:verwendet|belegt|benutzt|in benutzung)|est occupé|zajęty|al in gebruik)|porta.{0,24}(?:in uso|em uso|ocupada|occupata|sendo (?:usada|utilizada)|utilizzata)`, "端口", "埠", "ポート", "포트", "порт", "puerto", "port"),
	}
	// Something that is no port of a network.
	otherPorts = expressed(`\bcom\d|/dev/|\bserial\b|\busb|\bmidi\b|\btty|\bhdmi|\bparallel port|\bcontainer name\b|\bnickname|\busername|\bemail|\bport type|\bvlan\b|\bveth|\blistening state\b|\bcolumn\b|\bnodeport\b|\btaken (?:from|into)\b`)
	// "could not bind", "Failed to listen on", "Problem binding to", and
	// "cannot create server socket", "error starting the web server on port 80"
	cannotBind = match(failure+`[^.:]{0,48}?\b(?:bind(?:ing|ed)?|listen(?:ing)?|expose|forward\w*|register\w* (?:the )?url|`+
		`(?:set ?up|start|creat|open|establish|initiali[sz])\w* [^.:]{0,30}?\b(?:listen\w*|endpoint))\b`,
		"bind", "listen", "expose", "forward", "url", "endpoint")
	cannotServe = match(failure+`[^.:]{0,24}?\b(?:set ?up|start|creat|open|establish|initiali[sz])\w* [^.:]{0,30}?\b(?:server sockets?|server (?:on|at)|(?:tcp|udp|https?|web|socket|grpc) server|on (?:tcp |udp |(?:address|host|interface|ip) \S+ (?:and )?)?port)\b`, "server", " on ")
	// What such a server failed with, if it is none of the errors of a bind.
	reasonAfter = expressed(`\d["')\]]?: \w`)
	// "couldn't allocate port 27015"
	cannotTake = match(failure+`[^.:]{0,24}?\b(?:allocate|reserve|acquire|claim|obtain|open)\b[^.;]{0,40}\bport\b`, "port")
	// A port that a router is asked for.
	portMapping = expressed(`\bupnp|\bsoap\b|\bnat-?pmp\b|\bport ?mapping`)
	// Ports of another machine, or opened in it.
	openedThere = expressed(`\bupnp\b|\bfirewall\b|\bnat\b|\bnat-pmp\b|\brouter\b|\bmapping\b|\bconnect\w*`)
	never       = expressed(`[^\s\S]`)
	// "bind() to ADDRESS failed"
	bindFailed = match(`(?:\bbind(?:ing)?\b|\blisten(?:ing|ers?)?\b|\bforwarding\b)(?:\(\d?\))?[^;]{0,80}?\b(?:fail(?:ed|ure|s)?|error|unexpected error)\b`, "bind", "listen", "forwarding")
	// Words that stand for it in one family of programs each.
	otherPhrase = match(`\bfailed to initialize connector\b|\bunable to bind socket\b|\bports are not available\b|\bbinderrorexception\b|\bcannot listen to port\b|\bconfigured to listen on port \d+ failed to start\b|\bcreate server tcp listening socket\b|\bfailed to initialize end point associated with protocolhandler\b`, "connector", "bind", "ports are", "listen", "end point")
	privileged  = match(`\bprivileged ports?\b|\bpermission to (?:access|use|bind|open|listen on) (?:that |this |the )?port\b|\b(?:root|super-?user|administrator|sudo)\b[^.;]{0,24}\b(?:bind|listen)(?:ing)? (?:to|on)\b|\bport \S{1,8} requires (?:elevated|root|admin\w*)\b`, "privileged", "permission to", " port")
	onlyRoot    = match(`\bprivileged ports can only\b|\bpermission to`, "privileged", "permission to")
	// Plainly a bind, even if nothing is known of it.
	noReason = match(failure+` (?:(?:\w+ )?to )?(?:bind (?:\w+ ){0,3}(?:socket|port|address)|listen on any|(?:establish|create|open|set ?up) (?:\w+ ){0,2}listen\w* sockets?)\b|\bsocket bind failed\b|(?:^|[\]:>] ?)bind (?:fail(?:ed|ure)?|error:? -?\d{1,3})[.! ]*$|\bbind\(\) failed\.|\bsocket can(?:'t|not) be (?:binded|bound)\b`, "bind", "listen")
	// Nothing but the call that failed.
	listenFailed = match(`(?:^|[\]:>] ?)(?:failed|unable|could not|cannot) (?:to )?listen[.! ]*$`, "listen")
	serverFailed = match(`\bfailed to (?:start|create) server[.\s"']*$`, "start server", "create server")
)

// phraseMention is about a line without an errno.
func phraseMention(l *line) *mention {
	m := takenMention(l)
	if m == nil {
		m = cannotMention(l)
	}
	if m == nil || sourceCode.MatchString(l.low) || isListing(l, m, 0) {
		return nil
	}
	if otherBind.MatchString(l.low) || otherPorts.MatchString(l.low) || portMapping.MatchString(l.low) {
		return nil
	}
	return m
}

// takenMention is about "port 80 is already in use" and its like.
func takenMention(l *line) *mention {
	for _, taken := range portTaken {
		at := taken.find(l.low)
		if at == nil || onlyAdvice.MatchString(l.low) || supposed.MatchString(l.low[:at[1]]) || strings.HasSuffix(l.low[:at[1]], "ports are not available") {
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
var vagueTaken = expressed(`^bind\b|^conflicts with an existing registration|^http|\bport (?:[x*#?]{2,6} )?(?:is |was |may |might |already |be )*(?:in use|being used|used|taken|allocated|bound)\b|listening on (?:a|the|that|this) (?:specified |requested |configured |given )?(?:port|address|socket)\b`)

// inability is a way to say that something could not be bound.
type inability struct {
	said *pattern
	// They match a line, and what follows the words, that is about no bind.
	unless, unlessAfter *expression
}

var inabilities = []inability{
	{&cannotBind, never, never}, {&bindFailed, never, never}, {&cannotTake, openedThere, never}, {&cannotServe, never, reasonAfter},
}

// cannotMention is about "failed to bind to ADDRESS" and its like. Without a
// reason in the line or in the next ones, the address is said to be in use,
// which is what nearly all of them mean.
func cannotMention(l *line) *mention {
	if at := privileged.find(l.low); at != nil {
		return inabilityAt(l, at, Acces, onlyRoot.in(l.low))
	}
	if hasAny(l.low, otherReasons) || otherBind.MatchString(l.low) {
		return nil
	}
	if at := otherPhrase.find(l.low); at != nil {
		return inabilityAt(l, at, "", false)
	}
	if at := serverFailed.find(l.low); at != nil {
		m := inabilityAt(l, at, AddrInUse, true)
		m.weak = true
		return m
	}
	if at := listenFailed.find(l.low); at != nil {
		m := inabilityAt(l, at, "", false)
		m.terse = true
		return m
	}
	plain := noReason.in(l.low) && !strings.Contains(l.low, "still could not")
	for _, cannot := range inabilities {
		at := cannot.said.find(l.low)
		if at == nil {
			continue
		}
		if cannot.unless.MatchString(l.low) || cannot.unlessAfter.MatchString(l.low[at[1]:]) {
			return nil
		}
		if m := inabilityAt(l, at, "", false); !m.empty() || plain {
			m.needsPort = !m.empty() || !plain
			return m
		}
	}
	return nil
}

// inabilityAt is a mention whose words are at at. Unless they tell enough, it
// is nothing without an endpoint.
func inabilityAt(l *line, at []int, kind Kind, enough bool) *mention {
	r := reason{at: at[0], end: at[1]}
	m := &mention{kind: kind, op: opOf(l.low, r), unix: saysUnix(l.low), needsPort: !enough}
	m.endpoint = choose(l, r, m.unix)
	return m
}
