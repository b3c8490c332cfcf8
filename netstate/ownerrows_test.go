package netstate

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// capture is a file of testdata/captures/windows.
func windowsCapture(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "captures", "windows", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// captureStates are the words of netstat for states, in the languages of the
// captures.
var captureStates = map[string]uint32{
	"LISTENING": 2, "ABHÖREN": 2, "ESTABLISHED": 5, "HERGESTELLT": 5, "FIN_WAIT_2": 7,
	"CLOSE_WAIT": 8, "SCHLIESSEN_WARTEN": 8, "TIME_WAIT": 11,
}

// rowsOfNetstat reads what `netstat -ano` printed, by way of the tables that it
// made it from.
func rowsOfNetstat(t *testing.T, text string) ownerRows {
	t.Helper()
	rows := map[*ownerTable][]tableRow{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 5 || fields[0] != "TCP" {
			continue
		}
		row, table := tableRow{local: fields[1], remote: fields[2], state: captureStates[fields[3]]}, &tcp4Owners
		if fmt.Sscan(fields[4], &row.pid); row.state == 0 {
			t.Fatalf("unknown state in %q", line)
		}
		if strings.HasPrefix(row.local, "[") {
			table = &tcp6Owners
		}
		rows[table] = append(rows[table], row)
	}
	var all ownerRows
	for _, table := range []*ownerTable{&tcp4Owners, &tcp6Owners} {
		decoded, err := table.decode(table.build(rows[table]...))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, decoded...)
	}
	return all
}

func TestWindowsSocketsOfCaptures(t *testing.T) {
	alive := newProcessTree([]systemProcess{
		{pid: 4, name: "System"}, {pid: 3324, name: "a.exe"}, {pid: 3860, name: "b.exe"},
		{pid: 3976, name: "node.exe"}, {pid: 25584, name: "node.exe"}, {pid: 78168, name: "c.exe"},
	})
	tests := map[string]struct {
		port uint16
		want string
	}{
		"netstat-ano_timewait_pid0.txt": {6064, `
127.0.0.1:6064 - LISTEN pid 3324
127.0.0.1:6064 - ESTABLISHED pid 3324
127.0.0.1:6064 - TIME_WAIT
127.0.0.1:6064 - TIME_WAIT
`},
		"netstat-ano_timewait_ipv6.txt": {3000, `
[::1]:3000 - LISTEN pid 3976
[::1]:3000 - TIME_WAIT
[::1]:3000 - TIME_WAIT
[::1]:3000 - TIME_WAIT
[::1]:3000 - TIME_WAIT
[::1]:3000 - TIME_WAIT
[::1]:3000 - TIME_WAIT
`},
		"netstat-ano_finwait2_timewait.txt": {7897, `
0.0.0.0:7897 - LISTEN pid 78168
127.0.0.1:7897 - ESTABLISHED pid 78168
127.0.0.1:7897 - ESTABLISHED pid 78168
127.0.0.1:7897 - FIN_WAIT2 pid 78168
127.0.0.1:7897 - TIME_WAIT
127.0.0.1:7897 - FIN_WAIT2 pid 78168
127.0.0.1:7897 - TIME_WAIT
127.0.0.1:7897 - ESTABLISHED pid 78168
127.0.0.1:7897 - TIME_WAIT
`},
		"netstat-ano_german_dead-pids.txt": {5665, `
0.0.0.0:5665 - LISTEN last pid 15136
0.0.0.0:5665 - LISTEN last pid 8692
192.168.165.2:5665 - CLOSE_WAIT last pid 8692
192.168.165.2:5665 - CLOSE_WAIT last pid 15136
192.168.165.2:5665 - ESTABLISHED last pid 15136
[::]:5665 - LISTEN last pid 8692
`},
		"netstat-ano_pid4_port80.txt": {80, `
0.0.0.0:80 - LISTEN pid 4
`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rows, limits := rowsOfNetstat(t, windowsCapture(t, name)).of(portSet{{First: test.port, Last: test.port}})
			got := "\n"
			for _, row := range rows {
				alive.setOwner(&row.Socket, row.pid)
				got += describeSocket(row.Socket) + "\n"
			}
			if diff := cmp.Diff(test.want, got); diff != "" || len(limits) > 0 {
				t.Errorf("limits %v, (-want +got):\n%s", limits, diff)
			}
		})
	}
}

func describeSocket(s Socket) string {
	text := fmt.Sprintf("%s - %s", s.Local, s.State)
	for _, owner := range s.Owners {
		text += fmt.Sprintf(" pid %d", owner.PID)
	}
	if s.LastPID != 0 {
		text += fmt.Sprintf(" last pid %d", s.LastPID)
	}
	return text
}

func decodedRows(t *testing.T, table *ownerTable, rows ...tableRow) ownerRows {
	t.Helper()
	decoded, err := table.decode(table.build(rows...))
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

func TestOwnerRowsWithoutAState(t *testing.T) {
	rows := decodedRows(t, &tcp4Owners, tableRow{local: "127.0.0.1:5188", state: 12}, tableRow{local: "127.0.0.1:5189", state: 12})
	picked, limits := rows.of(portSet{{First: 5188, Last: 5188}})
	want := []Limit{{Kind: LimitUnstable, Network: TCP, What: "the tcp socket on 127.0.0.1:5188", Why: "it is in state 12, which is none that lasts"}}
	if diff := cmp.Diff(want, limits); diff != "" || len(picked) > 0 {
		t.Errorf("%v, (-want +got):\n%s", picked, diff)
	}
}

func TestOwnerRowsWithBound(t *testing.T) {
	rows := decodedRows(t, &tcp4Owners,
		tableRow{local: "127.0.0.1:50001", remote: "127.0.0.1:80", state: 5, pid: 8},
		tableRow{local: "127.0.0.1:5188", state: 2, pid: 8})
	bound := decodedRows(t, &tcp4Bound,
		tableRow{local: "0.0.0.0:50001", state: 1, pid: 8},   // of the connection
		tableRow{local: "127.0.0.1:5188", state: 1, pid: 8},  // of the listener
		tableRow{local: "127.0.0.2:5188", state: 1, pid: 8},  // another address
		tableRow{local: "127.0.0.1:5188", state: 1, pid: 12}, // another process
		tableRow{local: "0.0.0.0:5189", state: 1, pid: 8},    // another port
		tableRow{local: "0.0.0.0:0", state: 1, pid: 8})       // no port yet
	var got []string
	for _, row := range rows.withBound(bound) {
		got = append(got, fmt.Sprintf("%s %s %d", row.Local, row.State, row.pid))
	}
	want := []string{
		"127.0.0.1:50001 ESTABLISHED 8", "127.0.0.1:5188 LISTEN 8",
		"127.0.0.2:5188 BOUND 8", "127.0.0.1:5188 BOUND 12", "0.0.0.0:5189 BOUND 8",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOwnerRowsPeers(t *testing.T) {
	rows := decodedRows(t, &tcp4Owners,
		tableRow{local: "127.0.0.1:50001", remote: "127.0.0.1:5188", state: 8, pid: 8},
		tableRow{local: "127.0.0.1:50002", remote: "127.0.0.1:5188", state: 8, pid: 8},
		tableRow{local: "127.0.0.1:50003", remote: "127.0.0.1:5188", state: 5, pid: 8})
	closing := decodedRows(t, &tcp6Owners,
		tableRow{local: "[::ffff:127.0.0.1]:5188", remote: "[::ffff:127.0.0.1]:50001", state: 7},
		tableRow{local: "[::ffff:127.0.0.1]:5188", remote: "[::ffff:127.0.0.1]:50002", state: 7, pid: 12}, // not left behind
		tableRow{local: "[::ffff:127.0.0.1]:5188", remote: "[::ffff:127.0.0.1]:50003", state: 5})
	peers := rows.peersOf(closing)
	if len(peers) != 1 || peers[0].Local.Port() != 50001 {
		t.Errorf("%v", peers)
	}
}

func TestOwnerRowsEphemeralUse(t *testing.T) {
	rows := decodedRows(t, &tcp4Owners,
		tableRow{local: "127.0.0.1:50001", state: 5}, tableRow{local: "127.0.0.1:50001", state: 11},
		tableRow{local: "127.0.0.1:50002", state: 2}, tableRow{local: "127.0.0.1:50005", state: 2}, tableRow{local: "127.0.0.1:80", state: 2})
	policy := &Policy{
		EphemeralPorts: &PortRange{First: 50000, Last: 50009},
		ExcludedPorts:  map[Network][]PortRange{TCP: {{First: 50005, Last: 50006}, {First: 50006, Last: 50007}}},
	}
	want := &EphemeralUse{Network: TCP, Available: 7, Used: 2}
	if diff := cmp.Diff(want, rows.ephemeralUse(TCP, policy)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := rows.ephemeralUse(TCP, &Policy{}); got != nil {
		t.Errorf("of an unknown range: %v", got)
	}
}

func mustEnd(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }
