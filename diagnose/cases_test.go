package diagnose_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portdoc/diagnose"
	"portdoc/netstate"
	. "portdoc/netstate/snapshottest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// reportCase is a snapshot, a question, and the golden report on them. The
// snapshot is a file too, so that the command renders the same cases.
type reportCase struct {
	name     string
	question diagnose.Question
	snapshot *Snapshot
	// answer is what the system answers to the binds that the report asks
	// for; nil tries none.
	answer func(netstate.BindRequest) string
	causes []diagnose.CauseID
}

// port asks about both wildcards of a TCP port.
func port(n uint16) diagnose.Question {
	return diagnose.Question{Network: netstate.TCP, Port: n, Typed: fmt.Sprint(n)}
}

func address(addr string, n uint16) diagnose.Question {
	a := netip.AddrPortFrom(netip.MustParseAddr(addr), n)
	return diagnose.Question{Network: netstate.TCP, Address: a.Addr(), Port: n, Typed: a.String()}
}

// The systems' answers.
var (
	inUse = func(netstate.BindRequest) string { return "EADDRINUSE" }
	ok    = func(netstate.BindRequest) string { return "ok" }
	// needsReuseAddr is the answer where only reusable leftovers are.
	needsReuseAddr = func(r netstate.BindRequest) string {
		if r.ReuseAddr {
			return "ok"
		}
		return "EADDRINUSE"
	}
)

// observe tries the binds that the report asks for.
func (c *reportCase) observe() {
	if c.answer == nil {
		return
	}
	for _, request := range diagnose.Requests(c.snapshot.Snapshot, c.question) {
		c.snapshot.Answer(c.answer(request), request)
	}
}

func TestReports(t *testing.T) {
	cases := slices.Concat(listenerCases(), stateCases(), closingCases())
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.snapshot.Query = netstate.Query{Endpoints: []netstate.Endpoint{{
				Network: c.question.Network, Port: c.question.Port, LastPort: c.question.Port, Path: c.question.Path}}}
			c.observe()
			report := diagnose.Why(c.snapshot.Snapshot, c.question)
			var ids []diagnose.CauseID
			for _, cause := range report.Causes {
				ids = append(ids, cause.ID)
			}
			if diff := cmp.Diff(c.causes, ids); diff != "" {
				t.Errorf("causes (-want +got):\n%s", diff)
			}
			golden(t, "snapshots", c.name, c.snapshot.Snapshot)
			golden(t, "golden", c.name, report)
		})
	}
}

// golden compares a value's JSON with a file of the project's testdata.
func golden(t *testing.T, folder, name string, value any) {
	t.Helper()
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "testdata", folder, name+".json")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func listenerCases() []*reportCase {
	server := func() *Snapshot {
		return NewSnapshot().
			TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(4211), Sharing(true, false)).
			Process(4211, "./server 5188", OnTerminal("pts/3", 4100))
	}
	return []*reportCase{
		{name: "free", question: port(8080), snapshot: NewSnapshot(), answer: ok},
		{name: "free-not-tried", question: port(8080), snapshot: NewSnapshot()},
		{name: "listener", question: port(5188), answer: inUse, causes: []diagnose.CauseID{"listener"},
			snapshot: server().TCP("ESTABLISHED", "127.0.0.1:5188", "127.0.0.1:45500", OwnedBy(4211), From("accept"), Sharing(true, false))},
		// A listener at another address than the one asked about.
		{name: "listener-lookalike", question: address("127.0.0.1", 5188), answer: ok,
			snapshot: NewSnapshot().
				TCP("LISTEN", "127.0.0.2:5188", "", OwnedBy(4211), Sharing(true, false)).
				Process(4211, "./server 5188")},
		{name: "listener-time-wait", question: port(5188), answer: inUse, causes: []diagnose.CauseID{"listener", "time-wait"},
			snapshot: server().TCP("TIME_WAIT", "127.0.0.1:5188", "127.0.0.1:45500", TimeLeft(46200*time.Millisecond))},
		{name: "bound", question: port(5188), answer: inUse, causes: []diagnose.CauseID{"bound"},
			snapshot: NewSnapshot().
				TCP("BOUND", "0.0.0.0:5188", "", OwnedBy(4211), Sharing(false, false)).
				Process(4211, "./server 5188")},
		{name: "bound-lookalike", question: port(5188), answer: inUse, causes: []diagnose.CauseID{"listener"}, snapshot: server()},
	}
}

func stateCases() []*reportCase {
	return []*reportCase{
		{name: "stopped", question: port(5188), answer: inUse, causes: []diagnose.CauseID{"stopped"},
			snapshot: NewSnapshot().
				TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(4211), Sharing(true, false)).
				TCP("ESTABLISHED", "127.0.0.1:5188", "127.0.0.1:45500", OwnedBy(4211), From("accept"), Sharing(true, false)).
				Process(4211, "./server", OnTerminal("pts/3", 4100), StoppedBy("SIGTSTP", 12*time.Minute))},
	}
}

func closingCases() []*reportCase {
	left := func() *Snapshot {
		return NewSnapshot().TCP("TIME_WAIT", "127.0.0.1:5188", "127.0.0.1:45500", TimeLeft(45300*time.Millisecond))
	}
	many := NewSnapshot()
	for i := range 40 {
		many.TCP("TIME_WAIT", "127.0.0.1:5188", fmt.Sprintf("127.0.0.1:%d", 45500+i), TimeLeft(time.Duration(i+1)*time.Second))
	}
	timeWait := []diagnose.CauseID{"time-wait"}
	asked := port(5188)
	asked.ReuseAddr = true
	return []*reportCase{
		{name: "time-wait", question: port(5188), snapshot: left(), answer: inUse, causes: timeWait},
		{name: "time-wait-reusable", question: port(5188), snapshot: left(), answer: needsReuseAddr, causes: timeWait},
		{name: "time-wait-reuseaddr", question: asked, snapshot: left(), answer: needsReuseAddr},
		{name: "time-wait-many", question: port(5188), snapshot: many, answer: needsReuseAddr, causes: timeWait},
	}
}
