package netstate

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// processArguments is a value of kern.procargs2.
func processArguments(count int32, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(count)), text...)
}

func TestParseProcessArguments(t *testing.T) {
	tests := map[string]struct {
		data       []byte
		executable string
		arguments  []string
	}{
		"server":         {processArguments(3, "/usr/local/bin/server\x00\x00\x00\x00server\x00-p\x005188\x00SECRET=1\x00\x00"), "/usr/local/bin/server", []string{"server", "-p", "5188"}},
		"relative":       {processArguments(1, "./server\x00./server\x00HOME=/\x00"), "", []string{"./server"}},
		"empty argument": {processArguments(3, "/bin/echo\x00echo\x00\x00b\x00HOME=/\x00"), "/bin/echo", []string{"echo", "", "b"}},
		"none":           {processArguments(0, "/bin/true\x00HOME=/\x00"), "/bin/true", nil},
		"overwritten":    {processArguments(9, "/usr/sbin/sshd\x00sshd: alice@ttys001\x00"), "/usr/sbin/sshd", []string{"sshd: alice@ttys001"}},
		"cut off":        {processArguments(2, "/bin/echo\x00echo\x00no end"), "/bin/echo", []string{"echo"}},
		"no path":        {processArguments(1, "\x00\x00a\x00"), "", []string{"a"}},
	}
	for name, test := range tests {
		executable, arguments, err := parseProcessArguments(test.data)
		if executable != test.executable || !slices.Equal(arguments, test.arguments) || err != nil {
			t.Errorf("%s: %q, %q, %v", name, executable, arguments, err)
		}
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "short": {1, 0, 0}, "no path": processArguments(1, "/bin/echo"), "negative": processArguments(-1, "/bin/echo\x00echo\x00"),
	} {
		if _, arguments, err := parseProcessArguments(data); !errors.Is(err, errProcessArguments) || arguments != nil {
			t.Errorf("%s: %q, %v", name, arguments, err)
		}
	}
}

func FuzzParseProcessArguments(f *testing.F) {
	f.Add(processArguments(2, "/bin/echo\x00\x00\x00echo\x00a\x00HOME=/\x00"))
	f.Add(processArguments(1<<30, "/bin/echo\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		executable, arguments, err := parseProcessArguments(data)
		if err != nil && (executable != "" || arguments != nil) {
			t.Errorf("%q and %q of broken data", executable, arguments)
		}
		if len(data) >= 4 && len(arguments) > int(binary.LittleEndian.Uint32(data)) {
			t.Errorf("%d arguments, more than there are: the environment is among them", len(arguments))
		}
	})
}

// machineOfTest has a shell on a terminal with a job of two processes, one of
// which a debugger has, and a daemon.
func machineOfTest() (xnuProcesses, time.Time) {
	started := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	machine := map[int]*xnuProcess{
		1:    {pid: 1, pgid: 1, sid: 1, name: "launchd", status: 2},
		400:  {pid: 400, ppid: 1, pgid: 400, sid: 400, name: "Terminal", uid: 501, status: 2},
		410:  {pid: 410, ppid: 400, pgid: 410, sid: 410, name: "zsh", uid: 501, status: 3, tty: "ttys003"},
		4211: {pid: 4211, ppid: 410, pgid: 4211, sid: 410, name: "server", uid: 501, status: 4, signal: 18, started: started, tty: "ttys003"},
		4212: {pid: 4212, ppid: 4300, formerParent: 4211, pgid: 4211, sid: 410, name: "server", uid: 501, status: 4, flags: xnuTraced, signal: 17, tty: "ttys003"},
		4213: {pid: 4213, ppid: 4300, formerParent: 4211, pgid: 4211, sid: 410, name: "server", uid: 501, status: 2, flags: xnuTraced | 4, tty: "ttys003"},
		4300: {pid: 4300, ppid: 400, pgid: 4300, sid: 400, name: "debugserver", uid: 501, status: 2},
		70:   {pid: 70, ppid: 1, pgid: 70, sid: 70, name: "httpd", status: 3},
		72:   {pid: 72, ppid: 1, pgid: 72, sid: 72, name: "httpd", status: 3},
		71:   {pid: 71, ppid: 70, pgid: 70, sid: 70, name: "httpd", uid: 70, status: 5, signal: 17},
	}
	denied := errors.New("operation not permitted")
	return xnuProcesses{
		known: make(map[int]*xnuProcess),
		find:  func(pid int) *xnuProcess { return machine[pid] },
		arguments: func(pid int) ([]byte, error) {
			if pid == 70 || pid == 72 {
				return nil, denied
			}
			return processArguments(1, "/opt/server\x00server\x00"), nil
		},
	}, started
}

func TestXNUProcesses(t *testing.T) {
	reader, started := machineOfTest()
	var s Snapshot
	reader.read(&s, []Socket{
		{LastPID: 72, Owners: []Owner{{PID: 4213}, {PID: 4212}, {PID: 70}}},
		{LastPID: 4211, Owners: []Owner{{PID: 71}, {PID: 9999}}},
	})
	root, alice, web := new(uint32(0)), new(uint32(501)), new(uint32(70))
	shell, debugger := &ProcessRef{PID: 410, Name: "zsh"}, &ProcessRef{PID: 4300, Name: "debugserver"}
	traced := func(pid int, state ProcessState) Process {
		return Process{PID: pid, PPID: 4211, PGID: 4211, SID: 410, Name: "server", UID: alice, TTY: "ttys003", State: state,
			Tracer: debugger, Shell: shell, ParentName: "server", Ancestors: []int{4211, 410, 400, 1}, Command: []string{"server"}, Exe: "/opt/server"}
	}
	want := []Process{
		{PID: 70, PPID: 1, PGID: 70, SID: 70, Name: "httpd", UID: root, State: Running, ParentName: "launchd", Ancestors: []int{1}},
		{PID: 71, PPID: 70, PGID: 70, SID: 70, Name: "httpd", UID: web, State: Zombie, ParentName: "httpd", Ancestors: []int{70, 1}},
		{PID: 72, PPID: 1, PGID: 72, SID: 72, Name: "httpd", UID: root, State: Running, ParentName: "launchd", Ancestors: []int{1}},
		{PID: 4211, PPID: 410, PGID: 4211, SID: 410, Name: "server", UID: alice, TTY: "ttys003", Started: started, State: Stopped, StopSignal: "SIGTSTP",
			Shell: shell, ParentName: "zsh", Ancestors: []int{410, 400, 1}, Command: []string{"server"}, Exe: "/opt/server"},
		traced(4212, Traced),
		traced(4213, Running),
	}
	if diff := cmp.Diff(want, s.Processes); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
	if len(s.Limits) != 1 || s.Limits[0].Kind != LimitProcess || !strings.Contains(s.Limits[0].Why, "not permitted") || !strings.Contains(s.Limits[0].What, "process 70 (httpd)") {
		t.Errorf("limits %+v", s.Limits)
	}
}

// TestSetFamilyInACircle: processes that come and go while they are read can
// seem to be their own ancestors.
func TestSetFamilyInACircle(t *testing.T) {
	p := Process{PID: 3, PPID: 4}
	p.setFamily(func(pid int) *relative { return &relative{name: "a", ppid: 9 - pid} })
	if diff := cmp.Diff([]int{4, 5}, p.Ancestors); diff != "" {
		t.Errorf("ancestors (-want +got):\n%s", diff)
	}
}
