package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portdoc/diagnose"
)

// TestGoldenCases asks the program about each snapshot in the project's
// testdata. The JSON has to be that of the golden report beside it, which
// package diagnose writes; the text has a golden file of its own.
func TestGoldenCases(t *testing.T) {
	snapshots, err := filepath.Glob("../../testdata/snapshots/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, snapshot := range snapshots {
		name := strings.TrimSuffix(filepath.Base(snapshot), ".json")
		t.Run(name, func(t *testing.T) {
			want := readReport(t, "../../testdata/golden/"+name+".json")
			arguments := append([]string{"why", "--snapshot", snapshot}, questionOf(want)...)

			status, text, complaint := runInMemory(arguments...)
			if status != statusOfVerdict(want.Verdict) || complaint != "" {
				t.Errorf("exit status %d for %q: %s", status, want.Verdict, complaint)
			}
			golden(t, "../../testdata/golden/"+name+".txt", text)
			checkClean(t, text, layout{width: defaultWidth})

			_, text, _ = runInMemory(append(arguments, "--json")...)
			got := new(diagnose.Report)
			if err := json.Unmarshal([]byte(text), got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the JSON (-want +got):\n%s", diff)
			}
		})
	}
}

// questionOf are the arguments that ask what a report answers. The options
// that were asked about are those of its first attempt.
func questionOf(r *diagnose.Report) []string {
	t := target{network: "unix"}
	if r.Target.Port == nil {
		t.path = *r.Target.Path
		return []string{t.String()}
	}
	t = target{network: "tcp", host: strings.TrimPrefix(r.Target.Address, "*"), port: *r.Target.Port}
	if r.Target.Network == "udp" {
		t.network = "udp"
	}
	arguments := []string{t.String()}
	if len(r.Sockets) > maxSockets {
		arguments = append(arguments, "--all-sockets")
	}
	if len(r.Attempts) > 0 {
		for _, option := range r.Attempts[0].Options {
			arguments = append(arguments, map[string]string{
				"SO_REUSEADDR": "--reuseaddr", "SO_REUSEPORT": "--reuseport", "IPV6_V6ONLY": "--v6only",
			}[option])
		}
	}
	return arguments
}

// runInMemory is run on a pipe of 80 columns.
func runInMemory(arguments ...string) (status int, out, complaint string) {
	var stdout, stderr bytes.Buffer
	c := &console{in: strings.NewReader(""), out: &output{Writer: &stdout}, errors: &stderr, width: defaultWidth}
	status = run(context.Background(), arguments, c)
	return status, stdout.String(), stderr.String()
}

func readReport(t *testing.T, path string) *diagnose.Report {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	report := new(diagnose.Report)
	if err := json.Unmarshal(text, report); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return report
}
