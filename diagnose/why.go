package diagnose

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"portdoc/netstate"
)

// Requests are the binds that answer a question.
func Requests(s *netstate.Snapshot, q Question) []netstate.BindRequest { return nil }

// Why answers a question.
func Why(s *netstate.Snapshot, q Question) *Report {
	return &Report{Schema: ReportSchema, Verdict: Unknown, Taken: s.Taken, Summary: "nothing is known yet"}
}

// Printable escapes what could disturb a terminal.
func Printable(text string) string {
	var out strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case !unicode.IsPrint(r):
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
