package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"portdoc/diagnose"
)

// layouts are those that each report in testdata/reports is shown in.
var layouts = map[string]layout{
	"40":       {width: 40},
	"80":       {width: 80},
	"80.color": {width: 80, color: true},
	"120":      {width: 120},
	"200.all":  {width: 200, allSockets: true},
}

func TestRenderText(t *testing.T) {
	forEachReport(t, func(t *testing.T, name string, report *diagnose.Report) {
		for suffix, l := range layouts {
			text := renderText(report, l)
			golden(t, filepath.Join("testdata", "reports", name+"."+suffix+".txt"), text)
			checkClean(t, text, l)
		}
	})
}

func TestRenderJSON(t *testing.T) {
	forEachReport(t, func(t *testing.T, name string, report *diagnose.Report) {
		for _, indent := range []bool{false, true} {
			var out bytes.Buffer
			if err := writeJSON(&out, report, indent); err != nil {
				t.Fatal(err)
			}
			checkClean(t, out.String(), layout{width: 1 << 30})
			var again diagnose.Report
			if err := json.Unmarshal(out.Bytes(), &again); err != nil {
				t.Fatal(err)
			}
			var twice bytes.Buffer
			if err := writeJSON(&twice, &again, indent); err != nil || twice.String() != out.String() {
				t.Errorf("the JSON does not survive being read: %v\n%s%s", err, &out, &twice)
			}
			if lines := strings.Count(out.String(), "\n"); !indent && lines != 1 {
				t.Errorf("%d lines, want 1", lines)
			}
		}
	})
}

// TestJSONHasNoNullArrays: every array of the contract is one, also when there
// is nothing in it.
func TestJSONHasNoNullArrays(t *testing.T) {
	report := &diagnose.Report{
		Attempts: []diagnose.Attempt{{}}, Causes: []diagnose.Cause{{}}, Remedies: []diagnose.Remedy{{}},
		Sockets: []diagnose.Socket{{}}, Processes: []diagnose.Process{{}},
	}
	var out bytes.Buffer
	if err := writeJSON(&out, report, true); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "empty.json"), out.String())
	arrays := regexp.MustCompile(`"(options|sockets|pids|commands|needs|command|warnings|notes|limits)": null`)
	if bad := arrays.FindString(out.String()); bad != "" {
		t.Errorf("null in the place of an array: %s", bad)
	}
}

func forEachReport(t *testing.T, check func(t *testing.T, name string, report *diagnose.Report)) {
	files, err := filepath.Glob("testdata/reports/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no reports: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			check(t, name, readReport(t, file))
		})
	}
}

// ownCodes are the only escape sequences that may be in an output.
var ownCodes = regexp.MustCompile("\x1b\\[(0|31|32|33)m")

// checkClean checks that nothing in a text can disturb a terminal, and that
// only what must not be broken is wider than the layout.
func checkClean(t *testing.T, text string, l layout) {
	t.Helper()
	if l.color {
		text = ownCodes.ReplaceAllString(text, "")
	}
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("a character that is not printable in %q", line)
		}
		if strings.HasSuffix(line, " ") {
			t.Errorf("a space at the end of %q", line)
		}
		if displayWidth(line) > l.width && !hasLongWord(line, l.width/2) && !isCommand(line) {
			t.Errorf("wider than %d columns: %q", l.width, line)
		}
	}
}

// hasLongWord tells whether a line has a word in it that is too long to fit
// beside anything else.
func hasLongWord(line string, width int) bool {
	return slices.ContainsFunc(strings.Fields(line), func(word string) bool { return displayWidth(word) > width })
}

// isCommand tells whether a line is one to paste, which is never broken.
func isCommand(line string) bool {
	for _, name := range []string{"kill ", "sudo ", "doas ", "portdoc ", "netsh ", "printf "} {
		if strings.HasPrefix(strings.TrimSpace(line), name) {
			return true
		}
	}
	return false
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 10, `[""]`},
		{"one two three", 7, `["one two" "three"]`},
		{"one  two\nthree", 80, `["one two three"]`},
		{"unbreakable words", 4, `["unbreakable" "words"]`},
		{"日本 語", 5, `["日本" "語"]`},
	} {
		if got := fmt.Sprintf("%q", wrap(test.text, test.width)); got != test.want {
			t.Errorf("wrap(%q, %d) = %s, want %s", test.text, test.width, got, test.want)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{
		{"short", 5, "short"},
		{"not short", 5, "no…rt"},
		{"not short", 6, "not…rt"},
		{"not short", 1, "…"},
		{"日本語日本語", 7, "日…語"},
	} {
		got := shorten(test.text, test.width)
		if got != test.want || displayWidth(got) > max(1, test.width) {
			t.Errorf("shorten(%q, %d) = %q, want %q", test.text, test.width, got, test.want)
		}
	}
}
