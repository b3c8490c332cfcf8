package diagnose_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"portdoc/diagnose"
)

var casesFile = flag.String("cases", "", "recorded bind cases to compare the predictions with (JSON lines, plain or gzip)")

// TestRecordedCases compares predictions with what a kernel answered.
func TestRecordedCases(t *testing.T) {
	path := *casesFile
	if path == "" {
		path = "testdata/bind/linux-cases.jsonl.gz"
	}
	var disagree, unknown, sensitive int
	cases := readCases(t, path)
	for i := range cases {
		c := &cases[i]
		p := c.predict(c.snapshot())
		bind, listen := c.outcome()
		switch {
		case p.Bind == diagnose.ResultUnknown || p.Listen == diagnose.ResultUnknown:
			unknown++
			t.Logf("%s: unknown: %s; the kernel: bind %q, listen %q", c.ID, p.Missing, bind, listen)
		case p.Bind == bind && p.Listen == listen && sameCulprits(c, p):
		case c.HistorySensitive:
			sensitive++
			t.Logf("%s: %+v, the kernel: bind %q, listen %q (what was closed or changed before decided it)", c.ID, p, bind, listen)
		default:
			disagree++
			t.Errorf("%s: %+v\nthe kernel: bind %q, listen %q, blockers %v", c.ID, p, bind, listen, c.Blockers)
		}
	}
	if sensitive > 0 {
		fmt.Printf("%d cases differ that are marked as decided by what was closed or changed before\n", sensitive)
	}
	fmt.Printf("%d cases, %d disagree, %d unknown\n", len(cases), disagree, unknown)
	if len(cases) == 0 {
		t.Error("no cases")
	}
}

// sameCulprits tells whether the prediction blames the sockets that the
// recorder found to be the blockers.
func sameCulprits(c *recordedCase, p diagnose.Prediction) bool {
	if p.Bind != "EADDRINUSE" && p.Listen != "EADDRINUSE" || c.Blockers == nil {
		return true
	}
	var ids []int
	for _, i := range p.Culprits {
		ids = append(ids, c.Setup[i].ID)
	}
	slices.Sort(ids)
	return slices.Equal(ids, c.Blockers)
}
