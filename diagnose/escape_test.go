package diagnose_test

import (
	"os/exec"
	"testing"

	"portdoc/diagnose"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"./server":           "./server",
		"größe 日本":           "größe 日本",
		"\x1b[31mred":        `\x1b[31mred`,
		"a\nb\tc":            `a\x0ab\x09c`,
		"\u202eevil\u2066":   `\u202eevil\u2066`,
		"\u00a0\u200b\ufeff": `\u00a0\u200b\ufeff`,
		"\xff\xc3":           `\xff\xc3`,
		"\x7f\u0085":         `\x7f\u0085`,
		"\U000e0041":         `\U000e0041`,
		"\ufffd":             "\ufffd",
		"":                   "",
	} {
		if got := diagnose.Printable(text); got != want {
			t.Errorf("Printable(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestShellQuote lets a shell read the words back.
func TestShellQuote(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash to read the words: ", err)
	}
	for _, word := range []string{
		"", "plain", "/run/app.sock", "a b", "it's", `back\slash`, "$HOME `id` $(id)", "a;b|c&d>e<f", "*?[a]{b,c}", "~root", "#no", "!x",
		"-n", "\x1b[31m\x01" + "7", "line\nbreak", "tab\t", "\xff\xfe", "\u202e'\\", "größe", "=", "a=b", "\x7f", "%s",
	} {
		quoted := diagnose.ShellQuote(word)
		if quoted != diagnose.Printable(quoted) {
			t.Errorf("%q is not safe to show", quoted)
		}
		out, err := exec.Command(bash, "-c", "printf %s "+quoted).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q quoted as %s is read as %q (%v)", word, quoted, out, err)
		}
	}
}

func FuzzShellQuote(f *testing.F) {
	f.Add("it's \x1b")
	f.Fuzz(func(t *testing.T, word string) {
		quoted := diagnose.ShellQuote(word)
		if quoted == "" || quoted != diagnose.Printable(quoted) {
			t.Errorf("%q is quoted as %q", word, quoted)
		}
	})
}
