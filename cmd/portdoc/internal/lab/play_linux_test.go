package lab

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"portdoc/diagnose"
	"portdoc/netstate"
	"portdoc/netstate/netstatetest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == ActorCommand {
		if err := Act(os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	netstatetest.Main(m, nil)
}

// options let the test binary be the program, and answer about a port.
func options(t *testing.T) Options {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	look := func(ctx context.Context, target string) (*diagnose.Report, error) {
		port, err := strconv.ParseUint(target, 10, 16)
		if err != nil {
			return nil, err
		}
		q := diagnose.Question{Network: netstate.TCP, Address: netip.MustParseAddr("127.0.0.1"), Port: uint16(port)}
		s, err := netstate.Read(ctx, netstate.Query{Endpoints: []netstate.Endpoint{{Network: netstate.TCP, Port: q.Port, LastPort: q.Port}}})
		if err != nil {
			return nil, err
		}
		return diagnose.Why(s, q), nil
	}
	return Options{Program: program, Look: look, Ask: look}
}

// trial is an experiment whose last step is do, after a program with a child
// has a port and a file.
type trial struct {
	group int
	files string
}

func (c *trial) experiment(do func(*stage)) *Experiment {
	return &Experiment{Name: "trial", Cause: "bound", Steps: []Step{
		{"A program binds a port.", func(s *stage) {
			s.actor("program")
			c.group, c.files = s.get("program").command.Process.Pid, s.directory()
			s.on(s.do("program", "bind", loopback))
			s.do("program", "spawn", "0", "cat")
		}, []netstate.State{netstate.StateBound}},
		{"Something is done.", do, nil},
	}}
}

// cleanedUp checks that nothing is left of a trial.
func (c *trial) cleanedUp(t *testing.T) {
	t.Helper()
	if left := members(t, c.group); c.group == 0 || len(left) > 0 {
		t.Errorf("of process group %d are left: %q", c.group, left)
	}
	if _, err := os.Stat(c.files); c.files == "" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("files %q: %v", c.files, err)
	}
}

// members are the command lines of a process group. One that has ended, and
// that nobody has waited for, has none.
func members(t *testing.T, group int) (commands []string) {
	t.Helper()
	directories, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, directory := range directories {
		pid, _ := strconv.Atoi(filepath.Base(directory))
		command, _ := os.ReadFile(directory + "/cmdline")
		if of, err := syscall.Getpgid(pid); err == nil && of == group && len(command) > 0 {
			commands = append(commands, string(command))
		}
	}
	return commands
}

func TestPlay(t *testing.T) {
	for name, test := range map[string]struct {
		do      func(*stage)
		cause   diagnose.CauseID
		problem string
	}{
		"well":           {func(*stage) {}, "bound", ""},
		"stopped":        {func(s *stage) { s.get("program").stop() }, "stopped", ""},
		"another cause":  {func(*stage) {}, "listener", "the report should have the cause listener; it has "},
		"a failing step": {func(s *stage) { s.do("program", "bind", "203.0.113.1:1") }, "bound", "step 2: program could not bind 203.0.113.1:1: "},
		"a process lost": {func(s *stage) {
			s.get("program").signal("KILL")
			s.get("program").await()
			s.do("program", "close", "0")
		}, "bound", "step 2: program "},
		"not as expected": {func(s *stage) { s.get("program").wants("hello") }, "bound", "step 2: "},
		"no such program": {func(s *stage) { s.Program = "/no/such/program"; s.actor("other") }, "bound", "step 2: other could not be started: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c trial
			e := c.experiment(test.do)
			e.Cause = test.cause
			if name == "not as expected" {
				e.Steps[1].do = func(s *stage) { s.get("program").tell("nonsense"); test.do(s) }
			}
			result, err := Play(context.Background(), e, options(t))
			if err != nil || result.OK != (test.problem == "") || !strings.HasPrefix(result.Problem, test.problem) || result.OK != (result.Problem == "") {
				t.Errorf("%v, problem %q", err, result.Problem)
			}
			c.cleanedUp(t)
		})
	}
}

// TestPlayVerdict: the verdict is checked too.
func TestPlayVerdict(t *testing.T) {
	var c trial
	e := c.experiment(func(*stage) {})
	e.Verdict = diagnose.Free
	result, err := Play(context.Background(), e, options(t))
	if err != nil || result.Problem != "the verdict should be free; it is blocked" {
		t.Errorf("%v, problem %q", err, result.Problem)
	}
}

// TestPlayEnded: the context ends an experiment while a step waits.
func TestPlayEnded(t *testing.T) {
	for name, wait := range map[string]func(*stage){
		"for a line":  func(s *stage) { s.get("program").line() },
		"for an end":  func(s *stage) { s.get("program").end() },
		"for a state": func(s *stage) { s.await(s.target(&Experiment{}), nothing) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(context.Background())
			var c trial
			_, err := Play(ctx, c.experiment(func(s *stage) { cancel(); wait(s) }), options(t))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			c.cleanedUp(t)
		})
	}
}

// TestPlayPanic: a fault of this program is not hidden, and nothing is left.
func TestPlayPanic(t *testing.T) {
	var c trial
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		Play(context.Background(), c.experiment(func(*stage) { panic("fault") }), options(t))
	}()
	c.cleanedUp(t)
}

// TestAct: whatever an actor is told, it answers each line with one.
func TestAct(t *testing.T) {
	input := []string{"", "nonsense", "bind", "bind nowhere", "bind 127.0.0.1:0", "accept 0", "close 7", "close x", "close 0", "close 0",
		"connect 127.0.0.1:0 127.0.0.1:1", "listen [::1]:0", "spawn 1 /no/such/program", "unix /no/such/directory/s"}
	var out bytes.Buffer
	if err := Act(strings.NewReader(strings.Join(input, "\n")+"\n"), &out); err != nil {
		t.Fatal(err)
	}
	var good []string
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for i, line := range lines[1:] {
		switch {
		case strings.HasPrefix(line, "ok "):
			good = append(good, input[i])
		case !strings.HasPrefix(line, "no ") || len(line) < 6:
			t.Errorf("%q: %q", input[i], line)
		}
	}
	if lines[0] != "ready" || len(lines) != len(input)+1 || !slices.Equal(good, []string{"bind 127.0.0.1:0", "close 0", "listen [::1]:0"}) {
		t.Errorf("%q are good; answers %q", good, lines)
	}
}
