package errortext

import (
	"bytes"
	"io"
	"slices"
	"sync"
)

const (
	// maxLine is how much of a line is looked at in one piece, and
	// pieceOverlap how much of it is looked at again with the next.
	maxLine      = 64 << 10
	pieceOverlap = 512
	// Around a word that may tell of a failure, this much of a longer line
	// is read as if it were a line.
	excerptBefore, excerptAfter = 1500, 2500
	excerptOverlap              = 200
)

// Scanner finds failures in a text that is written to it in pieces of any
// size, UTF-8 or UTF-16 with a byte order mark. It keeps less than a megabyte
// whatever it is given. The zero value is not usable.
//
// A failure is reported as soon as all that matters is known: its kind, and a
// port or a path. One whose port may come in the next lines waits for at most
// twelve of them, and no longer than until Settle or Close.
type Scanner struct {
	decoder decoder
	part    []byte // the beginning of a line whose end has not come
	number  int    // of the line that is read, from 1
	plain   int    // lines so far that are no stack frames
	before  recent
	incidents
}

// NewScanner returns a Scanner that calls found for each failure, in the order
// of the text. An error of found ends the scan and is returned by all later
// calls.
func NewScanner(found func(Failure) error) *Scanner {
	return &Scanner{number: 1, incidents: incidents{found: found, times: map[string]int{}}}
}

// Scan reads all of r. The errors are those of r and of found.
func Scan(r io.Reader, found func(Failure) error) error {
	s := NewScanner(found)
	if _, err := io.CopyBuffer(s, struct{ io.Reader }{r}, make([]byte, 64<<10)); err != nil {
		return err
	}
	return s.Close()
}

// Write implements io.Writer.
func (s *Scanner) Write(p []byte) (int, error) {
	s.write(s.decoder.decode(p))
	return len(p), s.err
}

func (s *Scanner) write(p []byte) {
	for len(p) > 0 && s.err == nil {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			s.hold(p)
			return
		}
		if len(s.part) > 0 || end > maxLine {
			s.hold(p[:end])
			s.examine(s.part)
			s.part = s.part[:0]
		} else {
			s.examine(p[:end])
		}
		s.number++
		p = p[end+1:]
	}
}

// hold keeps the beginning of a line, and examines what is too long to keep.
func (s *Scanner) hold(p []byte) {
	for len(p) > 0 {
		n := min(len(p), maxLine-len(s.part))
		s.part = append(s.part, p[:n]...)
		p = p[n:]
		if len(s.part) == maxLine {
			s.examine(s.part)
			s.part = append(s.part[:0], s.part[maxLine-pieceOverlap:]...)
		}
	}
}

// Settle reports what waits for more lines, and what the last line tells
// although its end has not come. A caller that follows a growing log calls it
// when nothing has come for a while (a few hundred milliseconds).
func (s *Scanner) Settle() error {
	if len(s.part) > 0 {
		s.examine(s.part)
	}
	s.settleAll()
	return s.err
}

// Close is Settle at the end of the text.
func (s *Scanner) Close() error {
	s.write(s.decoder.rest())
	return s.Settle()
}

var triggers = sync.OnceValue(func() *automaton {
	words := slices.Concat(inUseSentences, accesSentences, deniedSentences, notAvailSentences, absentSentences,
		inUseNames, accesNames, notAvailNames, []string{
			"10048", "10013", "10049", "-4091", "-4090", "-4092", "errno", "os error", "(98", "(48", "(99", "(49", "[98", "[48",
			"bind", "listen", "in use", "used by", "being used", "already", "allocate", "occupied", "requested address", "pen port", "pen udp", "pen tcp", "reserve", "claim", "obtain", "is taken", "unavailable",
			"not available", "not open on", "privileged port", "permission to", "empty port", "initialize", "start server", "ports are not",
			"forward", "expose", "acquire", "existing registration", "registered", "register the url", "been used", "been taken", "error opening", "problem starting", "error starting", "to start", "not start", "n't start", "requires elevated", "requires root", "requires admin", " busy", "in another", "not be ", "can't be ",
			"free port", "available port", "unused port", "create server", "server socket", "server on", "server at", "tcp server", "udp server", "http server", "web server", "socket server", "grpc server",
			"占用", "使用中", "使用され", "사용", "занят", "используется", "en uso", "ocupad", "déjà", "bereits", "occupé", "zajęty", "in gebruik", "in uso", "em uso", "occupat", "endo usad", "endo utilizad", "utilizzata",
		})
	return newAutomaton(words)
})

// examine reads a line, or a piece of one that is too long.
func (s *Scanner) examine(raw []byte) {
	if bytes.IndexByte(raw, 0x1b) >= 0 {
		raw = []byte(clean(raw))
	}
	at := triggers().find(raw)
	if at < 0 {
		s.pass(raw)
	} else if len(raw) <= excerptBefore+excerptAfter {
		s.read(raw)
	} else {
		s.readExcerpts(raw, at)
	}
	s.before.add(s.number, raw)
}

// pass is for a line that has no word of a failure. It may still add to one.
func (s *Scanner) pass(raw []byte) {
	if !s.waiting() {
		if len(raw) == 0 || raw[0] != ' ' && raw[0] != '\t' {
			s.plain++ // near enough: nothing waits
		}
		return
	}
	s.follow(s.count(newLine(s.number, s.plain, raw[:min(len(raw), contextBytes)])))
}

// count counts a line unless it is a stack frame.
func (s *Scanner) count(l *line) *line {
	if !isFrame(l.low) {
		s.plain++
		l.plain = s.plain
	}
	return l
}

// read reads a line that may tell of failures.
func (s *Scanner) read(raw []byte) {
	l := s.count(newLine(s.number, s.plain, raw))
	found := mentions(l)
	if len(found) == 0 && s.waiting() {
		s.follow(l)
	}
	for _, m := range found {
		s.add(m, &s.before)
	}
}

// readExcerpts reads the parts of a long line that may tell of failures.
func (s *Scanner) readExcerpts(raw []byte, at int) {
	for from := 0; ; {
		start := max(0, from+at-excerptBefore)
		end := min(len(raw), from+at+excerptAfter)
		s.read(raw[start:end])
		if end == len(raw) {
			return
		}
		from = end - excerptOverlap
		if at = triggers().find(raw[from:]); at < 0 {
			return
		}
	}
}
