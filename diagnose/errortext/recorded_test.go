package errortext_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"portdoc/diagnose/errortext"
)

var update = flag.Bool("update", false, "write what is found into testdata/recorded.jsonl")

// recorded is a line of testdata/recorded.jsonl: all that is found in one file
// of testdata/recorded.txtar, which record.sh wrote.
type recorded struct {
	Name  string              `json:"name"`
	Found []errortext.Failure `json:"found"`
}

func TestRecorded(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/recorded.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for _, file := range archive.Files {
		found := scan(t, string(file.Data))
		if strings.HasPrefix(file.Name, "none-") && len(found) > 0 {
			t.Errorf("%s: a false alarm: %+v", file.Name, found[0])
		}
		line, err := json.Marshal(recorded{file.Name, found})
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(line, '\n'))
	}
	if *update {
		if err := os.WriteFile("testdata/recorded.jsonl", got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/recorded.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("testdata/recorded.jsonl (-want +got):\n%s", diff)
	}
}
