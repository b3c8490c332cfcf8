package errortext

import "strings"

// recent are the last lines before the one that is read, as they came.
type recent struct {
	lines [48]struct {
		number int
		text   []byte
	}
	count int
}

// contextBytes is how much of a line is kept for the lines after it.
const contextBytes = 1024

func (r *recent) add(number int, text []byte) {
	slot := &r.lines[r.count%len(r.lines)]
	slot.number = number
	slot.text = append(slot.text[:0], text[:min(len(text), contextBytes)]...)
	r.count++
}

// back calls visit for the lines before, nearest first, down to line number
// after (exclusive), until visit returns false.
func (r *recent) back(after int, visit func(*line) bool) {
	for i := r.count - 1; i >= 0 && i > r.count-1-len(r.lines); i-- {
		slot := &r.lines[i%len(r.lines)]
		if slot.number <= after || !visit(newLine(slot.number, 0, slot.text)) {
			return
		}
	}
}

var (
	// A line in which a program tells where it will listen.
	announcement = expressed(`listen|\bcreating\b|\bbind|\bstart|\bserv(?:e|ing)|server|\brunning\b|\bopen(?:ing)?\b|\blaunch|\bport\b|_port\b|\burl\b|\bendpoint\b|\binitializ|\bexpos|\bforward|\bhttp://|\bhttps://|--port|port=|-p \d|-l \d|address=`)
	// A line about a connection, or a port of somebody else.
	elsewhere = expressed(`\bclient\b|\bcommand channel\b|\bconnect(?:ed|ing|ion|ions|s)?\b|\baccept|\bremote|\bpeer\b|\brequest|\bdial|\bupstream\b|\brefused\b|\bestablished\b|\b(?:get|post|put|head) /|\bdatabase\b|\bbroker\b|\bproxy_pass\b|\bhttp/1|\btime_wait\b|\bclose_wait\b|\bdownload|\bfetch|\binstall|\bdocs?:|\bdocumentation\b|\bfrom\b|\bregistry\b|\bstop(?:ped|ping)\b|\bavailable on npm\b`)
	// A line that only sounds like one about a connection.
	awaited = expressed(`\b(?:listen|wait|accept)ing (?:for )?(?:\w+ ){0,2}connections? (?:on|at)\b|\bstart\w* (?:\w+ ){0,4}server (?:on|at)\b`)
	// A stack frame or other line that only continues the one before.
	frame = expressed(`\s{2,}(?:at |from |file ")|[|\]>] {3,}\S|^\s+(?:at |from |file "|in |\.\.\.|\d+:|[\w$.<>]+\()|^\s*(?:--->|caused by|file "|at [\w.$]+\()|^goroutine |^\t|^\s{4,}`)
	// Commands: ssh -L 8080:db:80, -D 1080; docker run -p 80:80; nc -l 80.
	commandPort = expressed(`\s-[ld] ?(?:[\w.*\[\]:]+:)?(\d{2,5}):[\w.-]+:\d+|\s-d ?(\d{2,5})\b|\s(?:-p|--publish)[ =]?(?:[\d.]+:)?(\d{2,5})(?::\d+)?\b|\baddress=(?:[\w.*]+:)?(\d{2,5})\b|\s-l(?:k|v|p|vp|vnp| -p)? (\d{2,5})\b|\b(?:http\.server|simplehttpserver|runserver) (\d{2,5})\b`)
)

// connects looks back for the address that a connect was called with.
func (r *recent) connects() endpoint {
	found, looked := endpoint{port: noPort}, 0
	r.back(0, func(l *line) bool {
		looked++
		if connectFrame.MatchString(l.low) {
			for _, c := range candidates(l) {
				if c.port > 0 {
					found = c.endpoint
				}
				if !found.empty() {
					break
				}
			}
		}
		return found.empty() && looked < waitLines
	})
	return found
}

// isFrame tells that a line only continues the one before it.
func isFrame(low string) bool {
	if low == "" || low[0] > ' ' && !strings.Contains(low, "   ") && !hasAny(low[:min(len(low), 12)], frameStarts) {
		return false
	}
	return frame.MatchString(low)
}

var frameStarts = []string{"--->", "caused by", "file ", "at ", "goroutine"}

// announced looks back for the address that the program said it would use.
// In a stack trace it takes what the quoted source lines bind.
func (r *recent) announced(after int, unix bool) endpoint {
	none := endpoint{port: noPort}
	found := none
	looked := 0
	r.back(after, func(l *line) bool {
		if !isFrame(l.low) {
			looked++
		}
		// What failed by itself, and with its own reason, was no announcement.
		if e := announcedIn(l, unix); !e.empty() && len(mentions(l)) == 0 {
			found = e
		}
		return found.empty() && looked < 24
	})
	return found
}

func announcedIn(l *line, unix bool) endpoint {
	none := endpoint{port: noPort}
	quoted := bindFrame.MatchString(l.low)
	if !quoted && (!announcement.MatchString(l.low) && !commandPort.MatchString(l.low) || elsewhere.MatchString(l.low) && !awaited.MatchString(l.low)) || connectFrame.MatchString(l.low) {
		return none
	}
	var best candidate
	best.endpoint = none
	for _, c := range candidates(l) {
		if c.empty() || (c.path != "") != unix && !(c.path != "" && (quoted || strings.Contains(l.low, "unix:"))) || c.port == 0 && !quoted {
			continue
		}
		if best.empty() || best.bare && !c.bare {
			best = c
		}
	}
	if best.empty() && !unix {
		best.endpoint = commandEndpoint(l)
	}
	return best.endpoint
}

func commandEndpoint(l *line) endpoint {
	if m := commandPort.FindStringSubmatchIndex(l.low); m != nil {
		for g := 2; g < len(m); g += 2 {
			if m[g] >= 0 {
				if port, _, ok := portAt(l.low, m[g]); ok && port <= 65535 {
					return endpoint{port: port}
				}
			}
		}
	}
	return endpoint{port: noPort}
}

var (
	dumpKey = expressed(`^\W*(address|host|port|path|syscall|localaddress)["']?\s*[:=]\s*["']?([^"',}\s]*)`)
	// A line that explains the failure before it.
	explains = expressed(`\bhint\b|already running on|running on (?:port|socket)|listen to port|\bis another\b|\bidentify and stop\b|\bcould not create listen|^\W*(?:udp|tcp|https?|rtmp|rtsp)://|\bport \d+ (?:is|was)\b|(?:port|puerto|porta|порт[уі]?|ポート|端口|포트|პორტზე) ?\d{1,5}[^.?]{0,80}[?？]|on that port|\bin use\b|listening port|\b(?:unable|failed|cannot|can't|could not|couldn't|error)\b.*(?:\b(?:listen|bind|start|open|port)|server)`)
	// Frames and sources that show which call failed.
	bindFrame    = expressed(`(?:\b|(?:tcp|udp|socket)\d?_)bind\w*\s*\(|\.listen\w*\s*\(|\blisten\w*\s*\(|create_server|start_?server\s*\(|start_server|create_datagram_endpoint|socketserver|tcpserver|httpserver|make_server|server_bind|\bbind0\b|serversocket|dobind|run_simple|\bsyscall: '(?:bind|listen)'|bun\b`)
	connectFrame = expressed(`\bconnect\w*\s*\(|create_connection|\.request\(|urlopen|doconnect|error connecting to\b|connectexception|httprequestexception|webexception|\bsyscall: 'connect'|_http_client|new_connection|\bsockets?\.socket\.\w*(?:receive|send)\w*\(`)
	// What binds before it connects.
	outgoing   = expressed(`create_connection\(|new_connection`)
	startsHere = expressed(`^\W{0,3}(?:https?://)?(?:\d{1,3}\.){3}\d{1,3}:\d|^\s*:::\d`)
)

// called is the operation that the lines before show, nearest first: the
// quoted source of a traceback, frames, the command.
func (r *recent) called(after int) Op {
	op, looked := Op(""), 0
	r.back(after, func(l *line) bool {
		looked++
		if op == "" || outgoing.MatchString(l.low) {
			op = callIn(l.low)
		}
		return looked < waitLines && !strings.HasPrefix(l.low, "traceback")
	})
	return op
}

// callIn is the operation whose call a line quotes.
func callIn(low string) Op {
	switch {
	case connectFrame.MatchString(low):
		return Connect
	case bindFrame.MatchString(low):
		return Bind
	}
	return ""
}

// explained is what a line after a failure adds to it.
func explained(l *line, unix bool) endpoint {
	none := endpoint{port: noPort}
	if m := dumpKey.FindStringSubmatchIndex(l.low); m != nil {
		return dumped(l.low[m[2]:m[3]], l.text[m[4]:m[5]])
	}
	if strings.Contains(l.low, "jdwp=") {
		return commandEndpoint(l)
	}
	if !explains.MatchString(l.low) && !startsHere.MatchString(l.low) {
		return none
	}
	if strings.Contains(l.low, "trying") && strings.Contains(l.low, "instead") {
		return none
	}
	return choose(l, reason{}, unix)
}

// dumped reads a key of an error object that is printed a line each.
func dumped(key, value string) endpoint {
	e := endpoint{port: noPort}
	switch key {
	case "port":
		if port, end, ok := portAt(value, 0); ok && end == len(value) && port <= 65535 {
			e.port = port
		}
	case "path":
		if strings.HasPrefix(value, "/") || strings.HasPrefix(value, `\\`) || strings.HasPrefix(value, "@") {
			e.path, e.network = value, "unix"
		}
	case "address", "host", "localaddress":
		if isAddress(value) || isKnownHost(value) {
			e.address = canonical(value)
		} else if strings.HasPrefix(value, "/") {
			e.path, e.network = value, "unix"
		}
	}
	return e
}
