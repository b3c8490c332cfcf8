package netstate

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// xnuMachine answers what a Mac would.
type xnuMachine struct {
	// lists are what the kernel answers to each question in turn; the last
	// one again and again.
	lists   [][]byte
	refused error
	// printed is what a program prints, by its name; failed how it fails.
	printed map[string]string
	failed  map[string]error
	root    bool

	asked []string
}

func (m *xnuMachine) system() *xnuSystem {
	processes, _ := machineOfTest()
	return &xnuSystem{
		list: func(string) ([]byte, error) {
			if m.refused != nil {
				return nil, m.refused
			}
			data := m.lists[0]
			if len(m.lists) > 1 {
				m.lists = m.lists[1:]
			}
			return data, nil
		},
		run: func(_ context.Context, program string, arguments ...string) (string, error) {
			name := program[strings.LastIndexByte(program, '/')+1:]
			m.asked = append(m.asked, name+" "+strings.Join(arguments, " "))
			if name == "launchctl" {
				name += " " + arguments[1]
			}
			return m.printed[name], m.failed[name]
		},
		interfaceName: interfaceNumber,
		privileged:    m.root,
		processes:     processes,
	}
}

func (m *xnuMachine) read(t *testing.T, endpoints ...Endpoint) *Snapshot {
	t.Helper()
	s := &Snapshot{Query: Query{Endpoints: endpoints}}
	s.Policy.EphemeralPorts = &PortRange{First: 49152, Last: 65535}
	system := m.system()
	if err := system.readSockets(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	system.readProcesses(t.Context(), s)
	return s
}

var (
	port5188 = Endpoint{Network: TCP, Port: 5188}
	// notFound is how lsof ends that has found nothing, or launchctl that
	// does not know a domain.
	notFound = &toolError{program: "lsof", status: 1, err: errors.New("exit status 1")}
)

func limitKinds(s *Snapshot) []LimitKind {
	var kinds []LimitKind
	for _, l := range s.Limits {
		kinds = append(kinds, l.Kind)
	}
	return kinds
}

func TestReadXNU(t *testing.T) {
	orphan, peer := pcbTimeWait, pcbTimeWait
	orphan.state, orphan.generation = 9, 20
	peer.local, peer.remote, peer.state, peer.socketState, peer.generation = orphan.remote, orphan.local, 5, 0x122, 21
	whole := darwin22.list(true, pcbListener, pcbTimeWait, orphan, peer, pcbOutgoing)
	m := xnuMachine{
		// The first two come without their end.
		lists:   [][]byte{whole[:100], whole[:len(whole)-24], whole},
		printed: map[string]string{"lsof": "p4211\nu501\nf3\ntIPv4\nd0x7cb\nPTCP\nn*:5188\n"},
	}
	s := m.read(t, port5188)
	var rows []string
	for _, socket := range slices.Concat(s.Sockets, s.Peers) {
		rows = append(rows, string(socket.State)+" "+socket.Local.String())
	}
	want := []string{"LISTEN 0.0.0.0:5188", "TIME_WAIT 127.0.0.1:5188", "FIN_WAIT2 127.0.0.1:5188", "CLOSE_WAIT 127.0.0.1:50000"}
	if diff := cmp.Diff(want, rows); diff != "" || len(s.Peers) != 1 {
		t.Errorf("%d peers, sockets (-want +got):\n%s", len(s.Peers), diff)
	}
	if len(s.Processes) != 1 || s.Processes[0].PID != 4211 || s.Processes[0].State != Stopped {
		t.Errorf("processes %+v", s.Processes)
	}
	// A process that has a terminal is not looked for among launchd's jobs.
	if diff := cmp.Diff([]string{"lsof -nPw -iTCP:5188 -FpuftdPn"}, m.asked); diff != "" {
		t.Errorf("what was run (-want +got):\n%s", diff)
	}
}

// TestReadXNUOwners: the two open sockets of one test have the same control
// block here, so their owners are found by their addresses.
func TestReadXNUOwners(t *testing.T) {
	list := [][]byte{darwin22.list(true, pcbListener)}
	seen := "p4211\nu501\nf3\ntIPv4\nPTCP\nn*:5188\n"
	timeout := &toolError{program: "lsof", status: -1, err: context.DeadlineExceeded}
	complains := &toolError{program: "lsof", status: 1, complaint: "no devices", err: errors.New("exit status 1")}
	for name, test := range map[string]struct {
		machine xnuMachine
		owners  []Owner
		limits  []LimitKind
	}{
		"seen":                {xnuMachine{printed: map[string]string{"lsof": seen}}, []Owner{{PID: 4211, FDs: []int{3}}}, nil},
		"seen, others absent": {xnuMachine{printed: map[string]string{"lsof": seen}, failed: map[string]error{"lsof": notFound}}, []Owner{{PID: 4211, FDs: []int{3}}}, nil},
		"another user's":      {xnuMachine{failed: map[string]error{"lsof": notFound}}, nil, []LimitKind{LimitOwners}},
		"nobody's, says root": {xnuMachine{failed: map[string]error{"lsof": notFound}, root: true}, nil, nil},
		"lsof is too slow":    {xnuMachine{failed: map[string]error{"lsof": timeout}, root: true}, nil, []LimitKind{LimitOwners}},
		"lsof fails":          {xnuMachine{failed: map[string]error{"lsof": complains}, root: true}, nil, []LimitKind{LimitOwners}},
		"lsof is not as known": {xnuMachine{printed: map[string]string{"lsof": "process 4211\n"}, root: true}, nil,
			[]LimitKind{LimitOwners}},
	} {
		t.Run(name, func(t *testing.T) {
			test.machine.lists = list
			s := test.machine.read(t, port5188)
			if diff := cmp.Diff(test.owners, s.Sockets[0].Owners); diff != "" {
				t.Errorf("owners (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.limits, limitKinds(s)); diff != "" {
				t.Errorf("limits %+v (-want +got):\n%s", s.Limits, diff)
			}
			if s.Sockets[0].LastPID != 4211 || len(s.Processes) != 1 {
				t.Errorf("the last user is not named: %+v", s.Processes)
			}
		})
	}
}

func TestReadXNUAsksNobodyInVain(t *testing.T) {
	m := xnuMachine{lists: [][]byte{darwin22.list(true, pcbTimeWait, pcbOutgoing)}}
	if m.read(t, port5188); m.asked != nil {
		t.Errorf("nobody can have a socket, and %q was run", m.asked)
	}
	m = xnuMachine{lists: [][]byte{darwin22.list(true, pcbListener, pcbOutgoing)}}
	s := m.read(t, Endpoint{Network: TCP})
	want := &EphemeralUse{Network: TCP, Available: 16384, Used: 1}
	if diff := cmp.Diff(want, s.Ephemeral); diff != "" || m.asked != nil || s.Sockets != nil {
		t.Errorf("%q was run, use (-want +got):\n%s", m.asked, diff)
	}
}

func TestReadXNUFromNetstat(t *testing.T) {
	m := xnuMachine{
		refused: errors.New("operation not permitted"),
		printed: map[string]string{
			"netstat": readCapture(t, "netstat-anv_finwait2_closewait.txt"),
			"lsof":    "p872\nu501\nf6\ntIPv6\nd0x1\nPTCP\nn10.55.1.235:6379->10.55.1.235:5001\n",
		},
	}
	s := m.read(t, Endpoint{Network: TCP, Port: 6379})
	if len(s.Sockets) != 2 || s.Sockets[0].Inode != 1 || s.Sockets[1].Inode != 0 {
		t.Fatalf("sockets %+v", s.Sockets)
	}
	if diff := cmp.Diff([]Owner{{PID: 872, FDs: []int{6}}}, s.Sockets[0].Owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	want := []Limit{netstatLimit(TCP, errors.New("net.inet.tcp.pcblist_n: operation not permitted"))}
	if diff := cmp.Diff(want, s.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if m.asked[0] != "netstat -anvW -p tcp" {
		t.Errorf("run: %q", m.asked)
	}
}

// TestReadXNUFails: without the sockets there is no snapshot that could be
// taken for one of a free port.
func TestReadXNUFails(t *testing.T) {
	for name, m := range map[string]xnuMachine{
		"no source":      {refused: errors.New("refused"), failed: map[string]error{"netstat": errors.New("not found")}},
		"neither usable": {lists: [][]byte{bytes.Repeat([]byte{1}, 50)}, printed: map[string]string{"netstat": "usage: netstat\n"}},
		"cut addresses":  {refused: errors.New("refused"), printed: map[string]string{"netstat": readCapture(t, "netstat-anv_spaces-timewait-truncated6.txt")}},
	} {
		s := &Snapshot{Query: Query{Endpoints: []Endpoint{port5188}}}
		if err := m.system().readSockets(t.Context(), s); err == nil || s.Sockets != nil {
			t.Errorf("%s: %v, %d sockets", name, err, len(s.Sockets))
		}
	}
}

func TestReadXNUJobs(t *testing.T) {
	services := func(job string) string { return "\tservices = {\n\t " + job + "\n\t}\n" }
	noDomain := &toolError{program: "launchctl", status: 113, complaint: "Could not find domain", err: errors.New("exit status 113")}
	timeout := &toolError{program: "launchctl", status: -1, err: context.DeadlineExceeded}
	daemon, agent := map[string]string{"launchctl system": services("70 - com.example.httpd")}, map[string]string{"launchctl gui/501": services("400 - com.example.agent")}
	for name, test := range map[string]struct {
		pid     int32
		printed map[string]string
		failed  map[string]error
		want    launchdJob
		limits  []LimitKind
	}{
		"a daemon":          {70, daemon, nil, launchdJob{"com.example.httpd", false}, nil},
		"an agent":          {400, agent, nil, launchdJob{"com.example.agent", true}, nil},
		"no such domain":    {400, agent, map[string]error{"launchctl user/501": noDomain}, launchdJob{"com.example.agent", true}, nil},
		"no session at all": {400, nil, map[string]error{"launchctl gui/501": noDomain, "launchctl user/501": noDomain}, launchdJob{}, nil},
		"not in time":       {400, agent, map[string]error{"launchctl gui/501": timeout}, launchdJob{}, []LimitKind{LimitProcess}},
		"launchd fails":     {70, daemon, map[string]error{"launchctl system": noDomain}, launchdJob{}, []LimitKind{LimitProcess}},
	} {
		listener := pcbListener
		listener.pid = test.pid
		m := xnuMachine{lists: [][]byte{darwin22.list(true, listener)}, root: true, printed: test.printed, failed: test.failed}
		s := m.read(t, port5188)
		got := launchdJob{s.Processes[0].Unit, s.Processes[0].UserUnit}
		if diff := cmp.Diff(test.limits, limitKinds(s), cmpopts.EquateEmpty()); diff != "" || got != test.want {
			t.Errorf("%s: %+v, limits (-want +got):\n%s", name, got, diff)
		}
	}
}
