package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// everyKind has a field of each kind that reports are made of.
type everyKind struct {
	embedded
	Text   string     `json:"text"`
	Words  []string   `json:"words"`
	None   *string    `json:"none"`
	Some   *bool      `json:"some"`
	Few    []embedded `json:"few"`
	Inode  uint64     `json:"inode"`
	User   *uint32    `json:"user"`
	Time   time.Time  `json:"time"`
	Left   *float64   `json:"left"`
	Hidden string     `json:"hidden,omitempty"`
}

type embedded struct {
	Port   uint16 `json:"port"`
	Number int64  `json:"number"`
	Count  int    `json:"count"`
	Yes    bool   `json:"yes"`
}

func anyEmbedded() *rapid.Generator[embedded] {
	return rapid.Custom(func(t *rapid.T) embedded {
		return embedded{
			rapid.Uint16().Draw(t, "port"), rapid.Int64().Draw(t, "number"),
			rapid.Int().Draw(t, "count"), rapid.Bool().Draw(t, "yes"),
		}
	})
}

func anyKind(t *rapid.T) *everyKind {
	return &everyKind{
		embedded: anyEmbedded().Draw(t, "embedded"),
		Text:     rapid.String().Draw(t, "text"),
		Words:    append([]string{}, rapid.SliceOf(rapid.String()).Draw(t, "words")...),
		Some:     rapid.Ptr(rapid.Bool(), true).Draw(t, "some"),
		Few:      append([]embedded{}, rapid.SliceOfN(anyEmbedded(), 0, 3).Draw(t, "few")...),
		Inode:    rapid.Uint64().Draw(t, "inode"),
		User:     rapid.Ptr(rapid.Uint32(), true).Draw(t, "user"),
		Time:     time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
		Left:     rapid.Ptr(rapid.Float64Range(-1e9, 1e9), true).Draw(t, "left"),
		Hidden:   rapid.StringN(0, 1, -1).Draw(t, "hidden"),
	}
}

// TestJSONMeansTheSame: what writeJSON writes reads like what encoding/json
// writes, and nothing in it can move a terminal's cursor.
func TestJSONMeansTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := anyKind(t)
		standard, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		for _, indent := range []bool{false, true} {
			var out bytes.Buffer
			if err := writeJSON(&out, value, indent); err != nil {
				t.Fatal(err)
			}
			var want, got any
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatalf("%v: %s", err, &out)
			}
			if err := json.Unmarshal(standard, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s\n%s", diff, &out)
			}
			if bytes.ContainsFunc(out.Bytes(), func(r rune) bool { return r != '\n' && (r < ' ' || invisible(r)) }) {
				t.Fatalf("a character that a terminal may obey: %q", &out)
			}
		}
	})
}

// TestJSONRefusesOtherKinds: a report that grows by a map is noticed.
func TestJSONRefusesOtherKinds(t *testing.T) {
	err := writeJSON(&bytes.Buffer{}, &struct {
		Table map[string]int `json:"table"`
	}{}, false)
	if err == nil || err.Error() != "table: a map[string]int has no place in a report" {
		t.Errorf("got %v", err)
	}
}
