package echo

import (
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// appendEscaped appends text to dst in a form that can't move a terminal's
// cursor, change its state or the order of its letters: everything but
// printable characters, tabs and newlines is written as in a Go string.
func appendEscaped(dst, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = fmt.Appendf(dst, `\x%02x`, text[0])
		case r == '\n' || r == '\t' || strconv.IsPrint(r):
			dst = append(dst, text[:size]...)
		default:
			quoted := strconv.AppendQuoteRune(nil, r)
			dst = append(dst, quoted[1:len(quoted)-1]...)
		}
		text = text[size:]
	}
	return dst
}

// Escaped returns a writer that makes text from elsewhere safe to show on the
// terminal w. A character that is split between two writes shows as its bytes.
func Escaped(w io.Writer) io.Writer { return escapedWriter{w} }

type escapedWriter struct{ w io.Writer }

func (e escapedWriter) Write(text []byte) (int, error) {
	if _, err := e.w.Write(appendEscaped(nil, text)); err != nil {
		return 0, err
	}
	return len(text), nil
}
