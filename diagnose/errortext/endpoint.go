package errortext

import (
	"net/netip"
	"strconv"
	"strings"
)

// endpoint is what a program wanted to bind, as far as it is stated.
type endpoint struct {
	network string // "tcp", "udp", "unix" or "" if not stated
	address string
	port    int // noPort if none is stated
	path    string
}

const noPort = -1

func (e endpoint) empty() bool { return e.port == noPort && e.path == "" }

// candidate is an endpoint that stands somewhere in a line.
type candidate struct {
	endpoint
	at, end int
	// bare are numbers that only the word "port" makes a port, and addresses
	// without a port.
	bare bool
}

// candidates are all endpoints in a line, in no order.
func candidates(l *line) []candidate {
	if !strings.ContainsAny(l.low, `0123456789/@\`) {
		return nil
	}
	var found []candidate
	found = append(found, colonEndpoints(l)...)
	found = append(found, tupleEndpoints(l)...)
	found = append(found, portWords(l)...)
	found = append(found, portNotations(l)...)
	found = append(found, paths(l, found)...)
	found = append(found, addresses(l, found)...)
	kept := found[:0]
	for _, c := range found {
		if !isRemote(l.low, c) {
			kept = append(kept, c)
		}
	}
	return kept
}

func hasEndpoint(low string) bool {
	l := &line{text: low, low: low}
	return len(colonEndpoints(l)) > 0 || len(tupleEndpoints(l)) > 0
}

var (
	colonNumber = expressed(`[:#](\d{1,5})`)
	// After the port of a remote end, of a retry with another port, and so on.
	remoteBefore = expressed(`(?:[\w"')\]*] ?(?:->|→|=>)|\(remote\)|\bremote(?: \w+)?|\bfrom|\bpeer|\bclient|\bupstream|\btrying|\btry|\battempting|(?:^|[,;:.\-] ?|\band |\bnow |\bwill be |\bstart\w* )using|\binstead|\bchoose|\bproxy_pass|\bsee) ?(?:tcp |udp |port |address |another )?["'(]?$`)
	insteadAfter = expressed(`^[)"'.]? *(?:instead|\?? instead)\b`)
	schemeBefore = expressed(`\b([a-z][a-z0-9+]{1,11})://(?:[^\s/@"']*@)?$`)
	sourceFile   = expressed(`\.(?:[cm]?[jt]sx?|go|py[xc]?|rb|java|kts?|scala|c|h|cc|cpp|cxx|hpp|rs|cs|fs|vb|php|exs?|erl|hs|lua|p[lm]|swift|dart|m|vue|svelte|sh|bat|ps1|ya?ml|json|toml|conf|cfg|ini|xml|log|txt|html|sql|clj|ml|nim|cr|jl|r|d|zig|so|dll|exe)$`)
)

// HOST:DISPLAY of a VNC server is its port less 5900 (qemu(1), -vnc).
const vncPort, vncDisplays = 5900, 100

// colonEndpoints finds HOST:PORT in its many forms (and named's HOST#PORT).
func colonEndpoints(l *line) []candidate {
	var found []candidate
	for _, m := range colonNumber.FindAllStringSubmatchIndex(l.low, -1) {
		port, end, ok := portAt(l.low, m[2])
		if !ok || port > 65535 {
			continue
		}
		c, ok := hostBefore(l, m[0])
		if !ok || c.at == m[0] && l.low[m[0]] == '#' || startsWithMore(l.low[end:], c.address) {
			continue
		}
		if port < vncDisplays && strings.Contains(l.low[max(0, c.at-24):c.at], "vnc") {
			port += vncPort
		}
		c.port, c.end = port, end
		if c.network == "" {
			c.network = networkAfter(l.low[end:])
		}
		found = append(found, c)
	}
	return found
}

// portAt reads the number at i of s, which ends a word.
func portAt(s string, i int) (port, end int, ok bool) {
	end = i
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	if end == i || end-i > 5 || end < len(s) && isWord(s[end]) && s[end] < 0x80 {
		return 0, end, false
	}
	if end+1 < len(s) && s[end] == '.' && isDigit(s[end+1]) {
		return 0, end, false
	}
	port, err := strconv.Atoi(s[i:end])
	return port, end, err == nil
}

// startsWithMore tells that the number is no port, for the next is ":4" as in
// a time or a line and column. An address may be followed by a mapping.
func startsWithMore(rest, address string) bool {
	if len(rest) < 2 || rest[0] != ':' || !isDigit(rest[1]) {
		return false
	}
	_, err := netip.ParseAddr(address)
	return err != nil
}

func networkAfter(rest string) string {
	for _, network := range []string{"tcp", "udp"} {
		if strings.HasPrefix(rest, "/"+network) {
			return network
		}
	}
	return ""
}

// hostBefore reads the host that ends at i, where ":PORT" begins.
func hostBefore(l *line, i int) (candidate, bool) {
	host, at, ok := bracketBefore(l.low, i)
	if !ok {
		if i > 0 && strings.IndexByte(`'"`, l.low[i-1]) >= 0 { // 'HOST':PORT
			i--
		}
		at = i
		for at > 0 && isHostByte(l.low[at-1]) {
			at--
		}
		for at+1 < i && l.low[at] == '*' && l.low[at+1] != ':' && !maskedAddress.MatchString(l.low[at:i]) { // **HOST:PORT** of Markdown
			at++
		}
		host = l.low[at:i]
	}
	c := candidate{at: at}
	scheme := ""
	if m := schemeBefore.FindStringSubmatch(l.low[max(0, at-60):at]); m != nil {
		scheme = m[1]
	}
	c.network = schemeNetwork(scheme)
	switch {
	case ok:
	case maskedAddress.MatchString(host):
		host, ok = "", true
	case host == "tcp" || host == "udp":
		c.network, host, c.bare, ok = host, "", true, true
	case host == "":
		ok = scheme != "" || opensWord(l.low, at)
	case scheme != "" || isKnownHost(host):
		ok = true
	default:
		ok = isAddress(host) || isNamedHost(l.low, at, host) && !isClassName(l.text[at:i])
	}
	c.address = canonical(host)
	return c, ok
}

// masked is what stands where somebody removed an address: <your-ip>, #ipv4#.
var masked = expressed(`(?:<[a-z0-9_ -]*(?:ip|addr|host)[a-z0-9_ -]*>|\[[a-z_ -]*(?:ip|addr|host)[a-z_ -]*\]|#[a-z0-9_-]*(?:ip|addr|host)[a-z0-9_-]*#|\{[a-z0-9_-]*(?:ip|addr|host)[a-z0-9_-]*\})$`)

// maskedAddress is an IPv4 address whose numbers were removed: xx.xx.xx.xx.
var maskedAddress = expressed(`^[*x#]+(?:\.[*x#\d]+){3}$`)

func maskBefore(low string) (at int, ok bool) {
	if low == "" || strings.IndexByte("]>#}", low[len(low)-1]) < 0 {
		return 0, false
	}
	from := max(0, len(low)-40)
	m := masked.FindStringIndex(low[from:])
	if m == nil {
		return 0, false
	}
	return from + m[0], true
}

// bracketBefore reads "[HOST]" or "<nil>" that ends at i.
func bracketBefore(low string, i int) (host string, at int, ok bool) {
	if strings.HasSuffix(low[:i], "<nil>") {
		return "", i - len("<nil>"), true
	}
	if at, ok := maskBefore(low[:i]); ok {
		return "", at, true
	}
	if i == 0 || low[i-1] != ']' {
		return "", 0, false
	}
	at = strings.LastIndexByte(low[:i], '[')
	if at < 0 || i-at > 60 {
		return "", 0, false
	}
	host = low[at+1 : i-1]
	return host, at, isAddress(host) || isKnownHost(host) || host == "::0" || host == "undef"
}

func isHostByte(c byte) bool {
	return c >= 'a' && c <= 'z' || isDigit(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '*' || c == '%' || c == '+'
}

// opensWord tells that ":PORT" at i begins a word, as in "listen tcp :80".
func opensWord(low string, i int) bool {
	if i > 1 && strings.IndexByte("\"'`", low[i-1]) >= 0 { // an opening quote
		i--
	}
	return i == 0 || strings.IndexByte(" \"'`(=/@[{<,", low[i-1]) >= 0
}

func isKnownHost(host string) bool {
	return host == "localhost" || host == "*" || host == "any" || host == "+"
}

func isAddress(host string) bool {
	if host == "" || !strings.ContainsAny(host, ":.") {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

var hostWords = expressed(`(?:\b(?:to|on|at|address|socket|host|endpoint|listener|listen (?:tcp|udp)[46]?|bind(?:ing)?|listening|for|eaddrinuse|eaddrnotavail|eacces|in use|denied|address)[:=]? ?["'(\[]?/?|\[af_inet6?\])$`)

// isNamedHost accepts a name before ":PORT" only where an address is meant:
// server.js:28 and times are none.
func isNamedHost(low string, at int, host string) bool {
	if sourceFile.MatchString(host) || strings.Contains(host, ":") || !hasLetter(host) || at > 0 && low[at-1] == '\\' {
		return false
	}
	switch host {
	case "port", "ports", "line", "pid", "errno", "code", "error", "http", "https", "version", "column", "status", "fd", "socket", "system":
		return false
	}
	return hostWords.MatchString(low[max(0, at-40):at])
}

// isClassName tells a class with its package, as Java writes it before a line
// number: org.example.AbstractLifeCycle.
func isClassName(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	return len(last) < len(name) && len(last) > 1 && last[0] >= 'A' && last[0] <= 'Z' && last[1] >= 'a' && last[1] <= 'z'
}

func hasLetter(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 'a' && r <= 'z' }) >= 0
}

// canonical is an address as netip writes it; other hosts stay as they are.
func canonical(host string) string {
	switch host {
	case "any", "undef", "none", "null", "+":
		return ""
	case "::0":
		return "::"
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.String()
	}
	return host
}

func schemeNetwork(scheme string) string {
	switch {
	case strings.HasPrefix(scheme, "udp"), strings.HasPrefix(scheme, "rtp"), scheme == "quic":
		return "udp"
	case scheme == "":
		return ""
	}
	return "tcp"
}

// isRemote tells that a candidate is not the end that failed to bind.
func isRemote(low string, c candidate) bool {
	from := c.at
	if at := schemeBefore.FindStringIndex(low[max(0, from-60):from]); at != nil {
		from = max(0, from-60) + at[0]
	}
	return remoteBefore.MatchString(low[max(0, from-40):from]) || insteadAfter.MatchString(low[c.end:])
}
