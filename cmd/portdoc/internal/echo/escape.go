package echo

import (
	"io"
	"strings"

	"portdoc/diagnose"
)

// escaped makes text from elsewhere safe to show on a terminal: all but
// printable characters, tabs and newlines is written as in a Go string.
func escaped(text []byte) []byte {
	var safe []byte
	for rest := string(text); rest != ""; {
		word, after := rest, ""
		if end := strings.IndexAny(rest, "\n\t"); end >= 0 {
			word, after = rest[:end], rest[end:end+1]
		}
		safe = append(append(safe, diagnose.Printable(word)...), after...)
		rest = rest[len(word)+len(after):]
	}
	return safe
}

// Escaped returns a writer that makes text from elsewhere safe to show on the
// terminal w. A character that is split between two writes shows as its bytes.
func Escaped(w io.Writer) io.Writer { return escapedWriter{w} }

type escapedWriter struct{ w io.Writer }

func (e escapedWriter) Write(text []byte) (int, error) {
	if _, err := e.w.Write(escaped(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}
