package errortext

import "strings"

// mention is what one line says of one failure.
type mention struct {
	endpoint
	kind Kind // "" if no reason is stated
	op   Op   // "" if neither bind, listen nor connect is named
	line *line
	// weak mentions have a reason that files have too, and no word for bind
	// or listen beside it: the lines around must have one.
	weak bool
	// unix is true if the text speaks of a unix socket.
	unix bool
	// needsPort mentions say that something failed and no reason: they are
	// nothing without an endpoint.
	needsPort bool
	// terse mentions name nothing but the call: for them an endpoint that was
	// announced before is enough.
	terse bool
	// moreToCome mentions are complete but for what the next line says.
	moreToCome bool
}

var (
	// The Go standard library's form, also of all that is written in Go:
	// listen tcp 127.0.0.1:80: bind: reason (net.OpError.Error in net/net.go).
	goPattern = match(`\b(listen|dial) (tcp|udp|ip|unix)(?:[46]|gram|packet)?:? (\S+?):(?:[\s"']|bind\b|listen\b|$)`, "listen ", "dial ")
	goSyscall = expressed(`^\s*(?:(bind|listen|socket|connect|connectex|setsockopt)\b:?)?\s*`)

	bindWord = match(`\bbind(?:ing|s|ed)?\b|binderror|bindexception|\bbind0\b|make_sock|socket_server|\bcommbind|\bdobind|could not bind|\bbound to port\b|\balready bound\b|\bcreate server socket\b|绑定|綁定|監聽|监听|バインド|바인드|привязать|\benlazar\b|прив'язат|\blier (?:l'adresse|ipv)|\bbind(?:en|a)\b|მიბმ`, "bind", "make_sock", "socket_server", "bound", "server socket", "绑定", "綁定", "監聽", "监听", "バインド", "바인드", "привязать", "прив'язат", "enlazar", "lier ", "მიბმ")
	// Other things that are bound: a DNS server's name, mounts, keys, LDAP.
	otherBind   = expressed(`\b(?:open|mkdir|chown|chmod|unlink|stat|rename|opendir|exec\w*)\(\)|\bldap\w*|[/-]bind\b|\bbind[/9-]|\bbind mount|\bbind source|\bkey ?binding|\bbind(?:ing)? (?:the |a )?(?:\w*key|shortcut|texture|queue|variable|param\w*|volume|event|statement)\b|\brebind|\bbind variable|\bsimple bind|\bbind dn|\bbind param|\bto (?:the )?(?:driver|queue|exchange|model|properties)\b`)
	listenWord  = match(`\blisten(?:s|ing|er|ers)?\b|\blisten_error|listening`, "listen")
	connectWord = match(`\b(?:dial|dialing|connect|connecting|connectex|connection|connections? to|doconnect|connectexception|connection error|connectionerror|noroutetohostexception|httprequestexception|webexception|getsockopt|curl)\b|phase=connect|http_?proxy error`, "connect", "dial", "noroute", "curl", "getsockopt", "http", "webexc")
)

// mentions are the failures that a line tells of.
func mentions(l *line) []mention {
	if found := goMentions(l); len(found) > 0 {
		return found
	}
	m := reasonMention(l)
	if m == nil {
		m = phraseMention(l)
	}
	if m == nil {
		return nil
	}
	m.line = l
	if m.unix && m.kind == AddrInUse {
		m.kind = InUseUnix
	}
	if (m.path != "" || m.unix) && m.kind == Acces || m.op == Connect && (m.kind == Acces || m.kind == "") {
		return nil
	}
	return []mention{*m}
}

// goMentions reads Go's form, of which a line can have several.
func goMentions(l *line) []mention {
	var found []mention
	at := goPattern.submatches(l.low)
	for i, m := range at {
		end := len(l.low)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		call := l.low[m[2]:m[3]]
		network := l.low[m[4]:m[5]]
		if e, ok := goEndpoint(network, l.text[m[6]:m[7]]); ok {
			if m, ok := goMention(l, call, e, l.low[m[7]+1:end]); ok {
				found = append(found, m)
			}
		}
	}
	return found
}

// goEndpoint reads the address of a Go error, as net.Addr.String wrote it.
func goEndpoint(network, text string) (endpoint, bool) {
	if _, remote, ok := strings.Cut(text, "->"); ok {
		text = remote
	}
	if network == "unix" {
		return endpoint{network: network, port: noPort, path: text}, true
	}
	l := &line{text: text, low: lower(text)}
	for _, c := range colonEndpoints(l) {
		c.network = network
		return c.endpoint, true
	}
	if i := strings.LastIndexByte(text, ':'); i > 0 { // a host's name
		if port, end, ok := portAt(text, i+1); ok && end == len(text) && port <= 65535 {
			return endpoint{network: network, address: lower(text[:i]), port: port}, true
		}
	}
	return endpoint{}, false
}

func goMention(l *line, call string, e endpoint, rest string) (mention, bool) {
	m := mention{endpoint: e, line: l, op: Bind, unix: e.path != ""}
	at := goSyscall.FindStringSubmatchIndex(rest)
	if at[2] >= 0 && rest[at[2]:at[3]] == "listen" {
		m.op = Listen
	}
	if call == "dial" {
		m.op = Connect
	}
	stated := rest[at[1]:]
	reason := reasonIn(stated[:min(len(stated), 200)])
	m.kind = reason.kind
	if reason.kind == "" {
		foreign := strings.IndexFunc(stated[:min(len(stated), 60)], func(r rune) bool { return r >= 0x80 }) >= 0
		m.needsPort = true
		if m.op == Connect || strings.TrimSpace(stated) != "" && !foreign {
			return m, false
		}
	}
	if m.unix && m.kind == AddrInUse {
		m.kind = InUseUnix
	}
	refused := m.kind == Acces && (m.unix || m.op == Connect)
	return m, !refused && !(m.unix && m.op == Connect)
}

// reasonMention is about a line that states a reason.
func reasonMention(l *line) *mention {
	r := reasonIn(l.low)
	if r.kind == "" {
		return nil
	}
	m := &mention{kind: r.kind, op: opOf(l.low, r), unix: saysUnix(l.low)}
	if r.weak && m.op == "" && socketError.MatchString(l.low[:r.at]) {
		m.op = Bind // a connect's has another class or says so
	}
	if r.weak && m.op != Bind && m.op != Listen {
		if m.op == Connect || quotesFile(l.low[r.end:]) {
			return nil
		}
		m.weak = true
	}
	if r.kind == AddrNotAvail && m.op == "" && otherCall.MatchString(l.low) {
		return nil
	}
	if r.weak && (otherBind.MatchString(l.low) || openedAfter.MatchString(l.low[r.end:]) || fileBefore.MatchString(l.low[:r.at])) || notSocket.MatchString(l.low) && m.op == "" {
		return nil
	}
	m.endpoint = choose(l, r, m.unix)
	if isListing(l, m, r.at) {
		return nil
	}
	if m.path != "" {
		m.unix = true
	}
	m.moreToCome = nodeBind.MatchString(l.low)
	return m
}

// nodeBind is what Node prints for a failed bind of UDP and, in a cluster's
// worker, of TCP: the next line tells which.
var nodeBind = expressed(`^error: bind ea\w+ `)

var (
	// Java's exception of a socket whose bind was denied; Android's for a socket
	// that may not be made at all goes on with "socket failed".
	socketError = expressed(`\bjava\.net\.socketexception: $`)
	// A file's path right before the reason: /etc/shadow: Permission denied.
	fileBefore = expressed(`(?:^|[\s"'=])(?:\.{0,2}/[^\s:]*|[a-z]:\\[^:]*)["']?(?:: | \()$`)
	// Calls that set an address up and bind none.
	otherCall = expressed(`\brtnetlink\b|\bioctl\b|\bifconfig\b|\bsetsockopt\b|\bip_\w*membership\b|\bmulticast group\b|\bjoin\w* (?:\w+ )?group\b`)
	// Addresses of hosts that are used twice, which is no bind's failure.
	notSocket = expressed(`\bdhcp\w*|\blease\b|\bduplicate (?:ip )?address|\barp\b|\bby (?:another )?host\b`)
)

// quotesFile tells that a reason is about the file whose path follows it, as
// in: Permission denied: '/etc/shadow'.
func quotesFile(rest string) bool {
	rest = strings.TrimLeft(rest, `:,( "'`+"`")
	return strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "open ") || strings.HasPrefix(rest, "access ") ||
		len(rest) > 2 && rest[1] == ':' && rest[2] == '\\'
}

// openedAfter tells that a file or a device could not be opened.
var openedAfter = expressed(`^\)?[,;:.]? ?(?:cannot|can't|could not|couldn't|unable to|failed to) (?:open|access|read|write)\b`)

var unixWords = []string{"unix socket", "unix-domain", "unix domain", "local socket", "af_unix", "af_local", "unix address", "unix:", "pipe\\", "named pipe"}

func saysUnix(low string) bool { return hasAny(low, unixWords) }

// opOf is the operation that the words nearest to the reason name.
func opOf(low string, r reason) Op {
	best, op := len(low)+1, Op("")
	for _, word := range []struct {
		pattern
		op Op
	}{{bindWord, Bind}, {listenWord, Listen}, {connectWord, Connect}} {
		for _, at := range word.all(low) {
			if d := distance(at, r); d < best {
				best, op = d, word.op
			}
		}
	}
	if op == Connect && (bindWord.in(low) || listenWord.in(low)) {
		return Bind // "driver failed programming connectivity ...: bind"
	}
	if op == Listen && bindWord.in(low) {
		return Bind
	}
	return op
}

func distance(at []int, r reason) int {
	switch {
	case at[1] <= r.at:
		return r.at - at[1]
	case at[0] >= r.end:
		return at[0] - r.end + 10
	}
	return 0
}

// choose picks the endpoint that stands best by the words of the line: the
// nearest after bind or listen, else the nearest to the reason.
func choose(l *line, r reason, unix bool) endpoint {
	all := candidates(l)
	anchors := [][]int{{r.at, r.end}}
	anchors = append(anchors, bindWord.all(l.low)...)
	anchors = append(anchors, listenWord.all(l.low)...)
	best, at := 1<<30, -1
	for i, c := range all {
		if c.port == noPort && c.path == "" || unix && c.path == "" {
			continue
		}
		if d := nearness(c, anchors); d < best {
			best, at = d, i
		}
	}
	if at >= 0 {
		return withAddress(all[at], all)
	}
	for _, c := range all {
		if c.path == "" && c.address != "" {
			return endpoint{network: networkIn(l.low), address: c.address, port: noPort}
		}
	}
	return endpoint{port: noPort}
}

func nearness(c candidate, anchors [][]int) int {
	best := 1 << 30
	for _, a := range anchors {
		d := c.at - a[1]
		if d < 0 {
			d = max(0, a[0]-c.end) + 12
		}
		best = min(best, d)
	}
	return best
}

// withAddress adds an address that the line states elsewhere: with the same
// port, or without any.
func withAddress(c candidate, all []candidate) endpoint {
	e := c.endpoint
	for _, other := range all {
		fits := other.port == e.port || other.port == noPort && other.path == ""
		if e.path == "" && e.address == "" && other.address != "" && fits {
			e.address = other.address
		}
		if other.port == e.port && e.network == "" {
			e.network = other.network
		}
	}
	return e
}
