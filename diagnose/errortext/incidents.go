package errortext

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// waitLines is how many lines, stack frames apart, a failure waits for
	// what it lacks.
	waitLines = 12
	// mergeLines is how many lines, stack frames apart, two mentions of one
	// failure may be away from each other.
	mergeLines = 30
	// keptIncidents are remembered to merge with, keptTimes to count repeats.
	keptIncidents, keptTimes = 16, 1024
	maxText                  = 400
)

// incident is a failure and what is known of it so far.
type incident struct {
	mention
	shapes    []string // of its lines: without digits
	announced endpoint // what the lines before said, if nothing better comes
	until     int      // the plain line up to which it waits
	last      *line    // that mentioned it
	settled   bool     // reported, or found to be none
	failure   Failure  // as it was reported
}

// incidents merges the mentions of one failure and reports each failure once.
type incidents struct {
	found func(Failure) error
	err   error
	kept  []*incident // oldest first
	times map[string]int
}

// add takes a mention: another of a known failure, or a new one.
func (s *incidents) add(m mention, before *recent) {
	s.settleBefore(m.line.plain)
	for i := len(s.kept) - 1; i >= 0; i-- {
		inc := s.kept[i]
		if m.line.plain-inc.last.plain <= mergeLines && inc.same(&m, before) {
			s.merge(inc, &m)
			return
		}
	}
	s.open(m, before)
}

// open begins a new incident.
func (s *incidents) open(m mention, before *recent) {
	inc := &incident{mention: m, last: m.line, until: m.line.plain + waitLines, announced: endpoint{port: noPort}}
	inc.shapes = []string{shape(m.line.text)}
	if m.weak || m.op == "" {
		if op := before.called(m.line.number - waitLines); op != "" {
			inc.op, inc.weak = op, inc.weak && op == Connect
		}
	}
	switch {
	case !m.empty() || m.needsPort && !m.terse:
	case inc.op == Connect:
		inc.announced = before.connects()
	default:
		inc.announced = before.announced(0, m.unix)
	}
	if inc.announced.path != "" && m.kind != AddrInUse && m.kind != InUseUnix {
		inc.announced = endpoint{port: noPort} // a path is no reason to take back what was found
	}
	if len(s.kept) == keptIncidents {
		s.settle(s.kept[0])
		s.kept = s.kept[1:]
	}
	s.kept = append(s.kept, inc)
	s.settleKnown(inc)
}

// same tells that m is about the incident's failure.
func (inc *incident) same(m *mention, before *recent) bool {
	if inc.kind != "" && m.kind != "" && inc.kind != m.kind && !(inc.unix && m.kind == AddrInUse || m.unix && inc.kind == AddrInUse && inc.empty()) {
		return false
	}
	if inc.settled && inc.failure.Kind == "" {
		return false // it was none
	}
	if m.kind == "" && m.path != "" && inc.empty() && inc.announced.empty() {
		return true // "cannot bind to path" after the reason
	}
	e := m.endpoint
	if e.empty() && e.address == "" && m.line.number > inc.last.number {
		if e = before.announced(inc.last.number, m.unix); e.empty() {
			return true
		}
		if inc.empty() && !inc.announced.empty() {
			return inc.announced.port == e.port && inc.announced.path == e.path
		}
	}
	return inc.fits(e)
}

// fits tells that an endpoint does not contradict what is known.
func (inc *incident) fits(e endpoint) bool {
	if inc.settled && inc.empty() && !e.empty() {
		return false
	}
	if inc.path != "" || e.path != "" {
		return inc.path == e.path || inc.path == "" && inc.port == noPort && inc.unix || e.path == "" && e.port == noPort
	}
	if inc.port != noPort && e.port != noPort && inc.port != e.port {
		return false
	}
	if inc.address == "" || e.address == "" || inc.address == e.address {
		return true
	}
	return isLoopbackName(inc.address, e.address)
}

func isLoopbackName(a, b string) bool {
	return (a == "localhost" || b == "localhost") && (strings.HasPrefix(a+b, "127.") || strings.HasSuffix(a+b, "127.0.0.1") || strings.HasPrefix(a+b, "::1") || strings.HasSuffix(a+b, "::1"))
}

// merge adds what a mention knows. The same line once more is a retry.
func (s *incidents) merge(inc *incident, m *mention) {
	retry := false
	text := shape(m.line.text)
	for _, known := range inc.shapes {
		retry = retry || known == text && m.line.number != inc.last.number && !strings.HasPrefix(m.line.low, " ") && !isFrame(m.line.low)
	}
	if !retry && len(inc.shapes) < 8 {
		inc.shapes = append(inc.shapes, text)
	}
	inc.last = m.line
	if !inc.settled {
		inc.learn(m)
		s.settleKnown(inc)
	}
	switch {
	case !retry || inc.settled:
	case inc.kind == "":
		// Its reason comes after the last try.
		inc.until = min(m.line.plain, inc.line.plain+mergeLines) + waitLines
	default:
		s.settle(inc)
	}
	if retry && inc.failure.Kind != "" {
		f := inc.failure
		f.Line, f.Text = m.line.number, excerpt(m.line.text)
		s.report(f)
	}
}

func (inc *incident) learn(m *mention) {
	if inc.kind == "" || m.kind == InUseUnix {
		inc.kind = m.kind
	}
	if inc.op == "" {
		inc.op = m.op
	}
	inc.unix = inc.unix || m.unix
	inc.weak = inc.weak && m.weak
	inc.needsPort = inc.needsPort && m.needsPort
	inc.moreToCome = inc.moreToCome && m.moreToCome
	inc.complete(m.endpoint)
}

// complete fills in what is not known.
func (inc *incident) complete(e endpoint) {
	if inc.port == noPort && inc.path == "" {
		inc.port, inc.path = e.port, e.path
	}
	if inc.address == "" && inc.path == "" {
		inc.address = e.address
	}
	if inc.network == "" {
		inc.network = e.network
	}
}

// waiting tells that something may be added to a failure.
func (s *incidents) waiting() bool {
	for _, inc := range s.kept {
		if !inc.settled {
			return true
		}
	}
	return false
}

// follow gives the failures that wait a line that mentions none.
func (s *incidents) follow(l *line) {
	s.settleBefore(l.plain)
	for _, inc := range s.kept {
		if inc.settled {
			continue
		}
		if inc.moreToCome && strings.Contains(l.low, "dgram") {
			inc.network = "udp"
		}
		inc.moreToCome = false
		if op := callIn(l.low); op != "" && (inc.weak || inc.op == "") {
			inc.op, inc.weak = op, inc.weak && op == Connect
		}
		if e := explained(l, inc.unix); inc.fits(e) {
			inc.complete(e)
		}
		if inc.needsPort && inc.kind == "" && !inc.empty() && hasAny(l.low, otherReasons) && isFrame(l.low) {
			inc.settled = true // the cause that follows is another
		}
		s.settleKnown(inc)
	}
}

// settleKnown reports an incident that lacks nothing.
func (s *incidents) settleKnown(inc *incident) {
	if inc.settled || inc.kind == "" || inc.weak || inc.empty() || inc.op == "" || inc.moreToCome {
		return
	}
	s.settle(inc)
}

// settleBefore reports what has waited long enough at a plain line.
func (s *incidents) settleBefore(plain int) {
	for _, inc := range s.kept {
		if !inc.settled && plain > inc.until {
			s.settle(inc)
		}
	}
}

func (s *incidents) settleAll() {
	for _, inc := range s.kept {
		s.settle(inc)
	}
}

// settle reports an incident, and those before it, as they are known now.
func (s *incidents) settle(inc *incident) {
	for _, older := range s.kept {
		if older == inc {
			break
		}
		if older.kind == "" && older.shapes[0] == inc.shapes[0] {
			older.kind = inc.kind // one attempt after another fails alike
		}
		s.settleOne(older)
	}
	s.settleOne(inc)
}

func (s *incidents) settleOne(inc *incident) {
	if inc.settled {
		return
	}
	inc.settled = true
	if inc.empty() {
		inc.complete(inc.announced)
	}
	if inc.weak || inc.needsPort && inc.empty() || inc.kind == "" && inc.path != "" || inc.op == Connect && inc.kind == Acces || (inc.path != "" || inc.unix) && inc.kind == Acces {
		return
	}
	inc.failure = inc.result()
	s.report(inc.failure)
}

// result is the incident as a Failure.
func (inc *incident) result() Failure {
	f := Failure{Kind: inc.kind, Network: inc.network, Address: inc.address, Path: inc.path, Op: inc.op,
		Line: inc.line.number, Text: excerpt(inc.line.text)}
	if inc.port != noPort {
		port := uint16(inc.port)
		f.Port = &port
	}
	if f.Kind == "" {
		f.Kind = AddrInUse
	}
	if f.Op == "" {
		f.Op = Bind
	}
	if f.Kind == AddrInUse && (inc.path != "" || inc.unix) {
		f.Kind = InUseUnix
	}
	if f.Kind == AddrNotAvail && f.Path != "" { // which no unix socket gets
		f.Path, f.Network = "", ""
	}
	switch {
	case f.Kind == InUseUnix:
		f.Network, f.Address = "unix", ""
		if f.Op == Connect { // Ruby says connect(2) when it binds
			f.Op = Bind
		}
	case f.Network == "" || f.Network == "ip":
		f.Network = "tcp"
	}
	return f
}

// report counts a failure and hands it on.
func (s *incidents) report(f Failure) {
	if s.err != nil {
		return
	}
	port := -1
	if f.Port != nil {
		port = int(*f.Port)
	}
	key := fmt.Sprint(f.Kind, f.Network, f.Address, port, f.Path, f.Op == Connect)
	if _, known := s.times[key]; !known && len(s.times) == keptTimes {
		clear(s.times)
	}
	f.Repeat = s.times[key]
	s.times[key]++
	s.err = s.found(f)
}

// shape is a text without what changes from one time to the next.
func shape(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text[:min(len(text), maxText)])
}

// excerpt is at most maxText bytes of a line: around the reason if it is long.
func excerpt(text string) string {
	text = strings.TrimSpace(text)
	if len(text) <= maxText {
		return text
	}
	from := 0
	if r := reasonIn(lower(text)); r.kind != "" {
		from = max(0, min(r.at-maxText/2, len(text)-maxText))
	}
	text = text[from : from+maxText]
	for text != "" && !utf8.RuneStart(text[0]) {
		text = text[1:]
	}
	for text != "" && !utf8.ValidString(text[max(0, len(text)-4):]) {
		text = text[:len(text)-1]
	}
	return text
}
