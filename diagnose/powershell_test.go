package diagnose_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"portdoc/diagnose"
)

func TestPowerShellQuote(t *testing.T) {
	for _, test := range []struct{ word, want string }{
		{"5188", "5188"},
		{`C:\tools\server.exe`, `C:\tools\server.exe`},
		{"", "''"},
		{"-Force", "'-Force'"},
		{"Program Files", "'Program Files'"},
		{"it's", "'it''s'"},
		{"it\u2019s", "'it\u2019\u2019s'"},
		{"$(calc)", "'$(calc)'"},
		{"a;b|c&d", "'a;b|c&d'"},
		{"@args", "'@args'"},
		{"[::1]:80", "'[::1]:80'"},
		{"\x1b[31m$x`\"", "\"$([char]27)[31m`$x```\"\""},
		{"\U000e0001", `"$([char]::ConvertFromUtf32(917505))"`},
	} {
		if got := diagnose.PowerShellQuote(test.word); got != test.want {
			t.Errorf("PowerShellQuote(%q) = %s, want %s", test.word, got, test.want)
		}
	}
}

// FuzzPowerShellQuote reads the words back by the rules of
// about_Quoting_Rules: nothing in them is evaluated, and nothing is invisible.
func FuzzPowerShellQuote(f *testing.F) {
	for _, word := range []string{"", "a b", "'", "\u2018\u201c", "$x`\"\x00", "\xff", "\U0001f600\u202e"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		quoted := diagnose.PowerShellQuote(word)
		read, err := readPowerShell(quoted)
		if want := strings.ToValidUTF8(word, string(utf8.RuneError)); err != nil || read != want {
			t.Errorf("%q became %s, which is %q (%v)", word, quoted, read, err)
		}
		if quoted != diagnose.Printable(quoted) {
			t.Errorf("%q became %q, which is not printable", word, quoted)
		}
	})
}

const (
	singleQuotes = "'\u2018\u2019\u201a\u201b"
	doubleQuotes = "\"\u201c\u201d\u201e"
)

// readPowerShell reads one argument as PowerShell does.
func readPowerShell(text string) (string, error) {
	runes := []rune(text)
	switch {
	case len(runes) == 0:
		return "", fmt.Errorf("no word")
	case len(runes) >= 2 && runes[0] == '\'' && runes[len(runes)-1] == '\'':
		return readSingle(runes[1 : len(runes)-1])
	case len(runes) >= 2 && runes[0] == '"' && runes[len(runes)-1] == '"':
		return readDouble(runes[1 : len(runes)-1])
	case strings.ContainsAny(text, " \t\r\n'\"`$(){}[];|&<>@#,"+singleQuotes+doubleQuotes):
		return "", fmt.Errorf("%s has a meaning", text)
	}
	return text, nil
}

func readSingle(runes []rune) (string, error) {
	var b strings.Builder
	for i := 0; i < len(runes); i++ {
		if strings.ContainsRune(singleQuotes, runes[i]) {
			if i+1 == len(runes) || !strings.ContainsRune(singleQuotes, runes[i+1]) {
				return "", fmt.Errorf("the word ends early")
			}
			i++
		}
		b.WriteRune(runes[i])
	}
	return b.String(), nil
}

func readDouble(runes []rune) (string, error) {
	var units []uint16
	rest := string(runes)
	for rest != "" {
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == '`':
			escaped, more := utf8.DecodeRuneInString(rest[size:])
			r, size = escaped, size+more
		case r == '$':
			number, length, err := readCharacter(rest)
			if err != nil {
				return "", err
			}
			r, size = number, length
		case strings.ContainsRune(doubleQuotes, r):
			return "", fmt.Errorf("the word ends early")
		}
		units = utf16.AppendRune(units, r)
		rest = rest[size:]
	}
	return string(utf16.Decode(units)), nil
}

// readCharacter reads $([char]N) or $([char]::ConvertFromUtf32(N)).
func readCharacter(text string) (r rune, size int, err error) {
	for _, form := range [][2]string{{"$([char]::ConvertFromUtf32(", "))"}, {"$([char]", ")"}} {
		digits, found := strings.CutPrefix(text, form[0])
		if !found {
			continue
		}
		end := strings.IndexByte(digits, ')')
		if end < 0 || !strings.HasPrefix(digits[end:], form[1]) {
			break
		}
		number, err := strconv.ParseInt(digits[:end], 10, 32)
		return rune(number), len(form[0]) + end + len(form[1]), err
	}
	return 0, 0, fmt.Errorf("%s is evaluated", text)
}
