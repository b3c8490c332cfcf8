package errortext_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"portdoc/diagnose/errortext"
)

var messages = flag.String("messages", "", "a JSON Lines file of labelled messages to be graded on")

// labelled is a line of such a file.
type labelled struct {
	Text    string
	Runtime string
	Expect  struct {
		Kind string
		Port *uint16
		Path string
	}
	Accept struct {
		Kind []string
		Port []*uint16
	}
}

// TestMessages grades the first failure found in each message: kind, port and
// path as labelled, or as the label accepts.
func TestMessages(t *testing.T) {
	if *messages == "" {
		t.Skip("needs a file of labelled messages: -messages=FILE")
	}
	file, err := os.Open(*messages)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	total, right, alarms := 0, 0, 0
	for lines, n := bufio.NewScanner(file), 1; lines.Scan(); n++ {
		var m labelled
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		got, ok := m.grade(t)
		total++
		if ok {
			right++
			continue
		}
		if m.Expect.Kind == "none" {
			alarms++
		}
		t.Logf("%d [%s]: got %s, want %+v\n%s", n, m.Runtime, got, m.want(), m.Text)
	}
	t.Logf("%d of %d right (%.1f %%), %d false alarms", right, total, 100*float64(right)/float64(total), alarms)
	if float64(right) < 0.97*float64(total) || alarms > 0 {
		t.Fail()
	}
}

func (m *labelled) want() string {
	b, _ := json.Marshal(m.Expect)
	return string(b)
}

func (m *labelled) grade(t *testing.T) (string, bool) {
	t.Helper()
	found := scan(t, m.Text)
	if len(found) == 0 {
		return "nothing", m.Expect.Kind == "none"
	}
	first := found[0]
	kinds := append(m.Accept.Kind, m.Expect.Kind)
	ports := append(m.Accept.Port, m.Expect.Port)
	b, _ := json.Marshal(first)
	return string(b), slices.Contains(kinds, string(first.Kind)) && first.Path == m.Expect.Path &&
		slices.ContainsFunc(ports, func(p *uint16) bool { return samePort(p, first.Port) })
}

func samePort(a, b *uint16) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func scan(t testing.TB, text string) []errortext.Failure {
	t.Helper()
	var found []errortext.Failure
	err := errortext.Scan(strings.NewReader(text), func(f errortext.Failure) error {
		found = append(found, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
