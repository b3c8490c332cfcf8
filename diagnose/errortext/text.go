package errortext

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// clean is text without terminal escapes, control and formatting characters,
// as valid UTF-8. Punctuation of East Asian width and typographic apostrophes
// become ASCII; a tab becomes a space.
func clean(text []byte) string {
	if isPlain(text) {
		return string(text)
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); {
		if text[i] == 0x1b {
			i += escapeLength(text[i:])
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		i += size
		if r = plainRune(r); r != 0 {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isPlain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// plainRune is what is kept of a character, 0 for nothing.
func plainRune(r rune) rune {
	switch r {
	case '\t', 0xa0, 0x202f, 0x3000:
		return ' '
	case '’', '‘':
		return '\''
	case '：':
		return ':'
	case '（':
		return '('
	case '）':
		return ')'
	case '，':
		return ','
	}
	if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
		return 0
	}
	return r
}

// escapeLength is the length of the escape sequence that text starts with
// (ECMA-48 section 5.3 and 5.4; OSC, DCS and the like end with BEL or ST).
func escapeLength(text []byte) int {
	if len(text) < 2 {
		return len(text)
	}
	switch text[1] {
	case '[':
		return sequenceEnd(text, 2, 0x40)
	case ']', 'P', 'X', '^', '_':
		return stringEnd(text)
	}
	return sequenceEnd(text, 1, 0x30)
}

// sequenceEnd skips bytes from 0x20 up to the final one, the first that is not
// less than final. A byte that is no part of a sequence ends it.
func sequenceEnd(text []byte, i int, final byte) int {
	for ; i < len(text); i++ {
		if text[i] < 0x20 || text[i] > 0x7e {
			return i
		}
		if text[i] >= final {
			return i + 1
		}
	}
	return i
}

func stringEnd(text []byte) int {
	for i := 2; i < len(text); i++ {
		switch {
		case text[i] == 0x07:
			return i + 1
		case text[i] == 0x1b && i+1 < len(text) && text[i+1] == '\\':
			return i + 2
		}
	}
	return 2 // not ended in this line: only the introducer is dropped
}

// lower is s in lower case, as long as s is: letters whose lower case takes
// another number of bytes stay.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); utf8.RuneLen(l) == utf8.RuneLen(r) {
			return l
		}
		return r
	}, s)
}

// unescape blanks the escapes of strings that were quoted into the line, as
// JSON and logfmt do (\" \n \t), without changing the length.
func unescape(s string) string {
	if !strings.Contains(s, `\`) || !strings.ContainsAny(s, `"'`) || strings.Contains(s, `\pipe\`) {
		return s
	}
	b := []byte(s)
	for i := 0; i+1 < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		b[i] = ' '
		switch b[i+1] {
		case 'n', 't', 'r':
			b[i+1] = ' '
		}
	}
	return string(b)
}

// decoder turns UTF-16 with a byte order mark, as Windows PowerShell writes
// into files, into UTF-8. Everything else passes as it is.
type decoder struct {
	begun bool
	order binary.ByteOrder // nil: no UTF-16
	odd   []byte           // the first byte of a pair, or the mark's
	high  rune             // the first half of a surrogate pair
}

func (d *decoder) decode(p []byte) []byte {
	if d.begun && d.order == nil {
		return p
	}
	if len(d.odd) > 0 {
		p = append(d.odd, p...)
		d.odd = nil
	}
	if !d.begun {
		if len(p) < 2 {
			d.odd = append([]byte(nil), p...)
			return nil
		}
		p = d.begin(p)
		if d.order == nil {
			return p
		}
	}
	return d.utf16(p)
}

func (d *decoder) begin(p []byte) []byte {
	d.begun = true
	switch {
	case p[0] == 0xff && p[1] == 0xfe:
		d.order = binary.LittleEndian
	case p[0] == 0xfe && p[1] == 0xff:
		d.order = binary.BigEndian
	default:
		return p
	}
	return p[2:]
}

func (d *decoder) utf16(p []byte) []byte {
	out := make([]byte, 0, len(p))
	for ; len(p) >= 2; p = p[2:] {
		r := rune(d.order.Uint16(p))
		if d.high != 0 {
			r, d.high = utf16.DecodeRune(d.high, r), 0
		} else if utf16.IsSurrogate(r) && r < 0xdc00 {
			d.high = r
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	d.odd = append([]byte(nil), p...)
	return out
}

// rest is what the decoder still holds at the end of the input.
func (d *decoder) rest() []byte {
	if d.begun {
		return nil
	}
	return d.odd
}
