package lab

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

func TestDiagram(t *testing.T) {
	for name, marked := range map[string][]string{
		"listen-established": {"LISTEN", "ESTABLISHED"},
		"time-wait":          {"TIME_WAIT"},
		"none":               nil,
		"bound":              {"BOUND"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".txt")
			got := Diagram(marked)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestDiagramStates: every state has a box, and marking it changes that alone.
func TestDiagramStates(t *testing.T) {
	plain := Diagram([]string{"no such state"})
	for _, line := range strings.Split(plain, "\n") {
		if len(line) > 80 || utf8.RuneCountInString(line) != len(line) {
			t.Errorf("not plain text of 80 columns: %q", line)
		}
	}
	for _, state := range strings.Fields("LISTEN ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE_WAIT LAST_ACK CLOSING CLOSED") {
		marked := Diagram([]string{state})
		if number := strings.Count(marked, "#"); number != 2*15+2 {
			t.Errorf("%s: %d marks", state, number)
		}
		if len(marked) != len(plain) || !strings.Contains(strings.ReplaceAll(marked, " ", ""), "#"+state+"#") {
			t.Errorf("%s:\n%s", state, marked)
		}
	}
}

// TestExperiments: each says what it needs to, in a form that fits.
func TestExperiments(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range All() {
		if seen[e.Name] || Find(e.Name) != e {
			t.Errorf("%s is there twice", e.Name)
		}
		seen[e.Name] = true
		if e.Shows == "" || len(e.Shows) > 57 || e.Plan == "" || e.Why == "" || len(e.Steps) == 0 {
			t.Errorf("%s does not say enough, or too much", e.Name)
		}
		if e.Cause == "" && e.Verdict == "" {
			t.Errorf("%s expects nothing", e.Name)
		}
	}
	if Find("no such experiment") != nil {
		t.Error("found what is not there")
	}
}
