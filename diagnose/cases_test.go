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

// refuses answers with one error whatever is tried.
func refuses(errno string) func(netstate.BindRequest) string {
	return func(netstate.BindRequest) string { return errno }
}

// The systems' answers.
var (
	inUse = refuses("EADDRINUSE")
	ok    = refuses("ok")
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

func reportCases() []*reportCase {
	return slices.Concat(listenerCases(), connectionCases(), stateCases(), inheritedCases(), ownerlessCases(),
		closingCases(), permissionCases(), overlapCases(), unixCases(), keeperCases(), macOSCases(), otherBSDCases(), windowsCases())
}

func TestReports(t *testing.T) {
	for _, c := range reportCases() {
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
