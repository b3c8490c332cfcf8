package diagnose_test

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"portdoc/diagnose"
	"portdoc/netstate"
	. "portdoc/netstate/snapshottest"
)

// TestRelaysOfTasklist: the relays of WSL and Docker Desktop are known by the
// names that tasklist prints for them.
func TestRelaysOfTasklist(t *testing.T) {
	text, err := os.ReadFile("../testdata/captures/windows/tasklist_wslrelay_docker.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]diagnose.CauseID{"com.docker.backend.exe": "container-proxy", "wslrelay.exe": "forwarding"}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		pid, err := strconv.Atoi(fields[1])
		if err != nil {
			t.Fatal(err)
		}
		s := NewWindows().TCP("LISTEN", "127.0.0.1:5188", "", OwnedBy(pid)).Process(pid, fields[0])
		s.Query.Endpoints = []netstate.Endpoint{{Network: netstate.TCP, Port: 5188}}
		question := diagnose.Question{Network: netstate.TCP, Address: netip.MustParseAddr("127.0.0.1"), Port: 5188}
		s.Answer("EADDRINUSE", diagnose.Requests(s.Snapshot, question)...)
		report := diagnose.Why(s.Snapshot, question)
		if len(report.Causes) == 0 || report.Causes[0].ID != want[fields[0]] {
			t.Errorf("%s: %+v, want %s first", fields[0], report.Causes, want[fields[0]])
		}
		delete(want, fields[0])
	}
	if len(want) > 0 {
		t.Errorf("tasklist does not name %v", want)
	}
}
