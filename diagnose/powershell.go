package diagnose

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PowerShellQuote writes a word so that PowerShell reads it back as it is. A
// word with invisible characters becomes "..." with $([char]N) in it, which
// Windows PowerShell 5 reads too. What is no UTF-8 can't be in a word of
// Windows, and becomes U+FFFD.
func PowerShellQuote(word string) string {
	switch {
	case word != "" && strings.IndexFunc(word, needsPowerShellQuote) < 0 && !strings.HasPrefix(word, "-"):
		return word
	case isPrintable(word):
		return "'" + doubleQuotes(word) + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(word, string(utf8.RuneError)) {
		switch {
		case strings.ContainsRune("\"`$\u201c\u201d\u201e", r):
			b.WriteByte('`')
			b.WriteRune(r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, "$([char]%d)", r)
		default:
			fmt.Fprintf(&b, "$([char]::ConvertFromUtf32(%d))", r)
		}
	}
	return b.String() + `"`
}

// doubleQuotes writes each single quote twice: PowerShell takes the typographic
// ones for the same (about_Quoting_Rules).
func doubleQuotes(word string) string {
	return strings.NewReplacer("'", "''", "\u2018", "\u2018\u2018", "\u2019", "\u2019\u2019", "\u201a", "\u201a\u201a", "\u201b", "\u201b\u201b").Replace(word)
}

// needsPowerShellQuote tells whether PowerShell might give the character a
// meaning in an argument.
func needsPowerShellQuote(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune(`_%+=:./\-*`, r)
}
