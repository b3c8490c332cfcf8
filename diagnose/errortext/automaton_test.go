package errortext

import (
	"bytes"
	"testing"
)

// FuzzAutomaton compares with a search for each word by itself.
func FuzzAutomaton(f *testing.F) {
	words := []string{"he", "she", "his", "hers", "ab", "bab", "абв"}
	a := newAutomaton(words)
	f.Add([]byte("usHErs"))
	f.Add([]byte("shhis"))
	f.Add([]byte("ababb"))
	f.Add([]byte("абаабв"))
	f.Fuzz(func(t *testing.T, text []byte) {
		want := -1
		for _, word := range words {
			if i := bytes.Index(asciiLower(text), []byte(word)); i >= 0 && (want < 0 || i+len(word) < want) {
				want = i + len(word)
			}
		}
		if got := a.find(text); got != want {
			t.Errorf("find(%q) = %d, want %d", text, got, want)
		}
	})
}

func asciiLower(text []byte) []byte {
	out := bytes.Clone(text)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}
