package errortext

import (
	"net/netip"
	"strconv"
	"strings"
)

var (
	// ('127.0.0.1', 8000)  ("::1", 8000, 0, 0)  (0.0.0.0, 143)
	tuplePattern = match(`[(\[{,]\s*[bu]?["']([^"'\s]*)["'],\s*(\d{1,5})\b|\(([0-9a-f.:*]+),\s*(?:port )?(\d{1,5})\)`, ",")
	// bind(mail.example.com, 143) and listen(*, 80) of dovecot
	callPattern = match(`\b(?:bind|listen)\(([a-z*][\w.*:-]*), (\d{2,5})\)`, "bind(", "listen(")
	// {127,0,0,1},4000 and {0,0,0,0,0,0,0,0},4000 of Erlang
	erlangPattern = match(`\{((?:\d{1,5},\s*){3,7}\d{1,5})\},\s*(\d{1,5})\b`, "},")
	// sin_port=htons(8080), sin_addr=inet_addr("0.0.0.0") of strace
	stracePattern = match(`sin6?_port=htons\((\d{1,5})\)(?:.{0,60}?(?:inet_addr\(|inet_pton\(af_inet6, )"([^"]+)")?`, "htons")
)

func tupleEndpoints(l *line) []candidate {
	var found []candidate
	for _, m := range tuplePattern.submatches(l.low) {
		host, digits := m[2:4], m[4:6]
		if host[0] < 0 {
			host, digits = m[6:8], m[8:10]
		}
		name := l.low[host[0]:host[1]]
		if name != "" && !isAddress(name) && !isKnownHost(name) && !strings.Contains(name, ".") && !hostWords.MatchString(l.low[:m[0]+1]) {
			continue
		}
		found = append(found, numbered(l, m[0], digits, canonical(name))...)
	}
	for _, m := range callPattern.submatches(l.low) {
		found = append(found, numbered(l, m[0], m[4:6], canonical(l.low[m[2]:m[3]]))...)
	}
	for _, m := range erlangPattern.submatches(l.low) {
		if address, ok := erlangAddress(l.low[m[2]:m[3]]); ok {
			found = append(found, numbered(l, m[0], m[4:6], address)...)
		}
	}
	for _, m := range stracePattern.submatches(l.low) {
		host := ""
		if m[4] >= 0 {
			host = canonical(l.low[m[4]:m[5]])
		}
		found = append(found, numbered(l, m[0], m[2:4], host)...)
	}
	return found
}

// erlangAddress reads an address that is written as decimal numbers with
// commas: four bytes, or eight groups of IPv6.
func erlangAddress(tuple string) (string, bool) {
	var bytes []byte
	numbers := strings.Split(tuple, ",")
	for _, number := range numbers {
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 2*len(numbers))
		if err != nil {
			return "", false
		}
		if len(numbers) == 8 {
			bytes = append(bytes, byte(n>>8))
		}
		bytes = append(bytes, byte(n))
	}
	address, ok := netip.AddrFromSlice(bytes)
	return address.String(), ok
}

// numbered is a candidate whose port is at digits of the line, if it is one.
func numbered(l *line, at int, digits []int, address string) []candidate {
	port, err := strconv.Atoi(l.low[digits[0]:digits[1]])
	if err != nil || port > 65535 {
		return nil
	}
	return []candidate{{endpoint: endpoint{address: address, port: port}, at: at, end: digits[1], bare: address == ""}}
}

var (
	portWord = expressed(`puerto|porta|poort|port|порт|ポート|端口|埠|포트|პორტ|cổng|連接埠`)
	// What may stand between the word and the number.
	portGap = expressed(`^(?:s (?:from|between)|s|\(s\)|番号|і|ზე|у|а|е|om|en|号)?(?:["'\]]{0,2}\s*(?:=>|[:=])\s*|\s+|[#\[(:'"]|$)?(?:(?:number|numero|número|nummer|nr\.?|no\.?|num|is|was|to|of|at|set to|already bound|n°)\s*[:=]?\s*)?(?:(?:tcp|udp)[ /:]?\s*)?[\s#"'\x60\[({:=]{0,3}(\d{1,5})`)
	// Keys of the other end's port, and words that only end in "port".
	otherPort = expressed(`(?:remote|client|peer|source|src|dest|destination|upstream|backend|target|foreign|container|connect)[_.\- ]?$`)
	noPortEnd = expressed(`(?:\b(?:re|su|im|ex|trans|pass|view|air|rap|com|de|sup|s|pur|dis)|rap)$`)
)

// portWords finds numbers that the word "port" makes a port: port 80, port: 80,
// "port":80, --port=80, httpPort = 80, ports [80, 443], ports: [{80 80}].
func portWords(l *line) []candidate {
	var found []candidate
	for _, m := range portWord.FindAllStringIndex(l.low, -1) {
		before := l.low[max(0, m[0]-16):m[0]]
		if otherPort.MatchString(before) || noPortEnd.MatchString(before) || strings.HasSuffix(before, "/") && !strings.Contains(before, " ") {
			continue
		}
		gap := portGap.FindStringSubmatchIndex(l.low[m[1]:min(len(l.low), m[1]+48)])
		if gap == nil || gap[2] == 0 && l.low[m[0]] < 0x80 { // port80 is a name
			continue
		}
		port, end, ok := portAt(l.low, m[1]+gap[2])
		if !ok || port == 0 || port > 65535 || isMultiple(l.low[end:]) {
			continue
		}
		c := candidate{endpoint: endpoint{port: port}, at: m[0], end: end, bare: true}
		c.network = networkIn(l.low[max(0, m[0]-6):end])
		found = append(found, c)
	}
	return found
}

// isMultiple tells that the number goes on as something that is no port: an
// address ("port 127.0.0.1:80") or a time.
func isMultiple(rest string) bool {
	return len(rest) > 1 && (rest[0] == '.' || rest[0] == ':') && isDigit(rest[1])
}

func networkIn(low string) string {
	if strings.Contains(low, "udp") {
		return "udp"
	}
	if strings.Contains(low, "tcp") {
		return "tcp"
	}
	return ""
}

var notations = []pattern{
	match(`\b(tcp)/(\d{1,5})\b`, "tcp/"),
	match(`\b(udp)/(\d{1,5})\b`, "udp/"),
	match(`\b()(\d{1,5})/tcp\b`, "/tcp"),
	match(`\b()(\d{1,5})/udp\b`, "/udp"),
	// Tomcat: ["http-nio-8080"], ["ajp-nio-127.0.0.1-8009"], AJP/1.3-8009
	match(`"?\bhttps?(?:-[a-z]+)*(?:-[0-9.]+)??()-(\d{2,5})\b|http/1\.\d-(\d{2,5})\b`, "http"),
	match(`"?\bajp(?:-[a-z]+)*(?:-[0-9.]+)??()-(\d{2,5})\b|ajp/1\.\d-(\d{2,5})\b`, "ajp"),
	match(`\{port,\s*()(\d{1,5})\}`, "{port,"), // Erlang
	// kubectl: [{80 80}], Elasticsearch: [9300-9400]
	match(`()\[\{(\d{1,5}) \d{1,5}\}`, "[{"),
	match(`(?:\bto |:)()\[(\d{2,5})-\d{2,5}\]`, "["),
	match(`\bport already in use:? ()(\d{2,5})\b`, "port already in use"),
	match(`\b()(\d{2,5}) (?:port\b|(?:is |was )?(?:already |currently )?(?:in use|used|taken|occupied|allocated|bound)\b)`, "port", " in use", "used", "taken", "occupied", "allocated", "bound"),
	match(`\bport between ()(\d{2,5}) and \d`, "port between"),
	match(`\btried:? ()(\d{2,5})\b`, "tried"), // get-port of nuxt
	match(`\brange:? ()\[?(\d{2,5})(?:-\d{2,5}\b|=)`, "range"),
	// QEMU: hostfwd=tcp::2222-:22, 'tcp::2222-:22'
	match(`\b(tcp):[0-9.]*:(\d{1,5})-`, "tcp:"),
	match(`\b(udp):[0-9.]*:(\d{1,5})-`, "udp:"),
	match(`['"]():[0-9.]*:(\d{1,5})-[0-9.]*:\d`, "forwarding rule"),
}

// portNotations finds the ports that some programs write without a word.
func portNotations(l *line) []candidate {
	var found []candidate
	for _, n := range notations {
		for _, m := range n.submatches(l.low) {
			digits := m[4:6]
			if digits[0] < 0 {
				digits = m[6:8]
			}
			for _, c := range numbered(l, m[0], digits, "") {
				c.network = networkIn(l.low[m[0]:m[1]])
				found = append(found, c)
			}
		}
	}
	return found
}

var (
	ipv4Pattern = match(`(?:^|[^\w.])((?:\d{1,3}\.){3}\d{1,3})(?:[^\w.:]|[.:](?:\D|$)|$)`, ".")
	hostPattern = match(`(?:address|host|hostname|for|on|at|to|addr|socket for)["']?\s*[:=]?\s*["'(\[]{1,2}([0-9a-f.:*]+|localhost)["')\]]|\[([0-9a-f:]*::[0-9a-f:]*)\](?:[^:]|$)|(?:address|host) ?[:=] ?(localhost)\b`, "address", "host", "for", "on", "at", "to", "addr", "[")
)

// addresses finds addresses without a port. They join a port that another
// candidate of the line has.
func addresses(l *line, found []candidate) []candidate {
	var bare []candidate
	for _, host := range []pattern{ipv4Pattern, hostPattern} {
		for _, m := range host.submatches(l.low) {
			for g := 2; g < len(m); g += 2 {
				if m[g] < 0 || within(found, m[g]) {
					continue
				}
				host := l.low[m[g]:m[g+1]]
				if isAddress(host) || isKnownHost(host) {
					bare = append(bare, candidate{endpoint: endpoint{address: canonical(host), port: noPort}, at: m[g], end: m[g+1], bare: true})
				}
			}
		}
	}
	return bare
}

func within(found []candidate, at int) bool {
	for _, c := range found {
		if at >= c.at && at < c.end {
			return true
		}
	}
	return false
}

var (
	schemePath  = expressed(`\bunix:(?://)?([@/.][^\s"'\x60,;)]*)`)
	quotedPath  = expressed(`["'\x60]((?:/|@|\\\\[.?]\\pipe\\)[^"'\x60]+)["'\x60]`)
	barePath    = expressed(`(?:^|[\s:=(\[])(@?/[^\s"'\x60:,;()\[\]]+|\\\\[.?]\\pipe\\[^\s"']+)`)
	socketName  = expressed(`(?i)\.(?:sock|socket|sck|skt)\w*$|\.sock\.|\.s\.[a-z]+\.\d+$|/\.x11-unix/|\\pipe\\|^@|/socket$`)
	pathWord    = expressed(`(?:socket|address|bind(?:ing)?|to|unix|listen\w*|for|on|eaddrinuse|in use|path)["']?\s*[:=(]?\s*$`)
	reasonEnd   = expressed(`(?:in use|eaddrinuse|denied|eacces):? ?$`)
	filesBefore = expressed(`(?:file|config|directory|folder|module|log|script|open|lock)s?["']?\s*[:=]?\s*$`)
)

// paths finds unix sockets: after "unix:", in quotes after a word for it, or
// with a name that only sockets have.
func paths(l *line, others []candidate) []candidate {
	if !strings.ContainsAny(l.low, `/@\`) {
		return nil
	}
	var found []candidate
	for i, kind := range []*expression{schemePath, quotedPath, barePath} {
		for _, m := range kind.FindAllStringSubmatchIndex(l.text, -1) {
			path := strings.TrimRight(l.text[m[2]:m[3]], ".:,;)'")
			before := l.low[max(0, m[2]-24):m[2]]
			before = strings.TrimRight(before, "\"'`")
			named := socketName.MatchString(path)
			meant := pathWord.MatchString(before) && !filesBefore.MatchString(before) && !sourceFile.MatchString(lower(path))
			afterReason := i == 2 && reasonEnd.MatchString(before)
			if len(path) < 2 || within(found, m[2]) || within(others, m[2]+1) || i > 0 && !named && !(i == 1 && meant) && !afterReason {
				continue
			}
			found = append(found, candidate{endpoint: endpoint{network: "unix", port: noPort, path: path}, at: m[2], end: m[3]})
		}
	}
	return found
}
