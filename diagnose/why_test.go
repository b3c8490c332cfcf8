package diagnose_test

import (
	stdcmp "cmp"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portdoc/diagnose"
	"portdoc/netstate"
	. "portdoc/netstate/snapshottest"
)

// TestOrder shuffles all rows of every case: the report stays the same.
func TestOrder(t *testing.T) {
	for _, c := range reportCases() {
		c.observe()
		want := diagnose.Why(c.snapshot.Snapshot, c.question)
		for seed := range uint64(10) {
			s := clone(t, c.snapshot.Snapshot)
			shuffle(s, rand.New(rand.NewPCG(seed, 0)))
			if diff := cmp.Diff(want, diagnose.Why(s, c.question)); diff != "" {
				t.Errorf("%s, seed %d (-want +got):\n%s", c.name, seed, diff)
			}
		}
	}
}

// clone is a snapshot after a round trip through JSON.
func clone(t *testing.T, s *netstate.Snapshot) *netstate.Snapshot {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	copied := new(netstate.Snapshot)
	if err := json.Unmarshal(text, copied); err != nil {
		t.Fatal(err)
	}
	return copied
}

func shuffle(s *netstate.Snapshot, r *rand.Rand) {
	mix(r, s.Sockets)
	mix(r, s.Peers)
	mix(r, s.Unix)
	mix(r, s.Processes)
	mix(r, s.Limits)
	mix(r, s.Observed)
	mix(r, s.Kernel)
	mix(r, s.Forwards)
	for _, ranges := range s.Policy.ExcludedPorts {
		mix(r, ranges)
	}
	mix(r, s.Policy.Addresses)
	mix(r, s.Policy.ReservedPorts)
	for _, socket := range s.Sockets {
		mix(r, socket.Owners)
	}
}

func mix[T any](r *rand.Rand, items []T) {
	r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
}

// TestUnrelated adds sockets that have nothing to do with any question.
func TestUnrelated(t *testing.T) {
	for _, c := range reportCases() {
		c.observe()
		want := diagnose.Why(c.snapshot.Snapshot, c.question)
		c.snapshot.
			TCP("LISTEN", "0.0.0.0:9", "", OwnedBy(9)).
			UDP("0.0.0.0:5188", "", OwnedBy(9)).
			UDP("0.0.0.0:9", "", OwnedBy(9)).
			TCP("TIME_WAIT", "127.0.0.1:45500", "127.0.0.1:5188").
			UnixSocket("LISTEN", "@other", 9).
			Process(9, "discard", StoppedBy("SIGTSTP", 1))
		if diff := cmp.Diff(want, diagnose.Why(c.snapshot.Snapshot, c.question)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestKinds wants for every cause a case where it holds, one where it must
// not, and words for somebody who has never heard of it.
func TestKinds(t *testing.T) {
	cases := map[string]*reportCase{}
	for _, c := range reportCases() {
		if cases[c.name] != nil {
			t.Errorf("two cases are called %s", c.name)
		}
		cases[c.name] = c
	}
	caseOf := func(id diagnose.CauseID, suffix string) *reportCase {
		return stdcmp.Or(cases[string(id)+suffix], cases["windows-"+string(id)+suffix])
	}
	for _, kind := range diagnose.Kinds() {
		if c := caseOf(kind.ID, ""); c == nil || !slices.Contains(c.causes, kind.ID) {
			t.Errorf("no case %s has the cause", kind.ID)
		}
		if c := caseOf(kind.ID, "-lookalike"); c == nil || slices.Contains(c.causes, kind.ID) {
			t.Errorf("no case %s-lookalike lacks the cause", kind.ID)
		}
		if kind.Title == "" || len(kind.About) < 100 {
			t.Errorf("%s is not explained", kind.ID)
		}
	}
}

// TestReportsHoldTogether checks what is true of every report.
func TestReportsHoldTogether(t *testing.T) {
	for _, c := range reportCases() {
		c.observe()
		r := diagnose.Why(c.snapshot.Snapshot, c.question)
		if (r.Verdict == diagnose.Free) != (len(r.Causes) == 0 && !isRefused(r)) && r.Verdict != diagnose.Unknown {
			t.Errorf("%s: %s with the causes %v", c.name, r.Verdict, r.Causes)
		}
		for _, remedy := range r.Remedies {
			if !slices.ContainsFunc(r.Causes, func(cause diagnose.Cause) bool { return cause.ID == remedy.Cause }) {
				t.Errorf("%s: the remedy %s is for no cause", c.name, remedy.ID)
			}
			if remedy.Effect == "" {
				t.Errorf("%s: the remedy %s has no effect", c.name, remedy.ID)
			}
		}
		for _, text := range texts(r) {
			if text != diagnose.Printable(text) || text != strings.TrimSpace(text) || strings.Contains(text, "  ") || strings.HasSuffix(text, "..") {
				t.Errorf("%s: %q does not read well", c.name, text)
			}
		}
	}
}

// isRefused tells whether a bind as asked fails; those come first.
func isRefused(r *diagnose.Report) bool {
	return slices.ContainsFunc(r.Attempts, func(a diagnose.Attempt) bool {
		return slices.Equal(a.Options, r.Attempts[0].Options) && a.Result() != "ok"
	})
}

// texts are what a person reads of a report.
func texts(r *diagnose.Report) []string {
	texts := slices.Concat([]string{r.Summary}, r.Warnings, r.Notes)
	for _, cause := range r.Causes {
		texts = append(texts, cause.Title, cause.Detail)
	}
	for _, remedy := range r.Remedies {
		texts = append(texts, remedy.Title, remedy.Effect, remedy.Where)
		texts = append(texts, remedy.Commands...)
	}
	for _, limit := range r.Limits {
		texts = append(texts, limit.What, limit.Why, limit.Remedy)
	}
	return texts
}

// TestHostileNames gives every process and name of every case the worst text
// there is. What people read and paste has no trace of it.
func TestHostileNames(t *testing.T) {
	const hostile = "x\x1b]0;owned\a\n\u202e'`$(id)\xff"
	for _, c := range reportCases() {
		c.observe()
		for i := range c.snapshot.Processes {
			p := &c.snapshot.Processes[i]
			p.Name, p.Command, p.Exe, p.User, p.TTY = hostile, []string{hostile}, hostile, hostile, p.TTY+hostile
			if p.Unit != "" {
				p.Unit = hostile + ".service"
			}
			for i := range p.Services {
				p.Services[i] = hostile
			}
			for _, ref := range []*netstate.ProcessRef{p.Tracer, p.Shell} {
				if ref != nil {
					ref.Name = hostile
				}
			}
			if p.FrozenBy != "" {
				p.FrozenBy = "/sys/fs/cgroup/" + hostile
			}
		}
		for i := range c.snapshot.Kernel {
			c.snapshot.Kernel[i].Device, c.snapshot.Kernel[i].Name = hostile, hostile
			if queue := c.snapshot.Kernel[i].Queue; queue != nil {
				queue.Name, queue.URLs = hostile, []string{hostile}
			}
		}
		for i := range c.snapshot.Forwards {
			c.snapshot.Forwards[i].To = hostile
		}
		for i := range c.snapshot.Sockets {
			if socket := &c.snapshot.Sockets[i]; socket.Service != "" {
				socket.Service = hostile
			}
		}
		for _, text := range texts(diagnose.Why(c.snapshot.Snapshot, c.question)) {
			if text != diagnose.Printable(text) {
				t.Errorf("%s: %q", c.name, text)
			}
		}
	}
}

// TestNeverBlamed has a stopped client whose remote port is the asked one, and
// a server that left a connection to it behind: the client is in no remedy.
func TestNeverBlamed(t *testing.T) {
	s := NewSnapshot().
		TCP("FIN_WAIT2", "127.0.0.1:5188", "127.0.0.1:45500").
		Peer("CLOSE_WAIT", "127.0.0.1:45500", "127.0.0.1:5188", OwnedBy(777)).
		Process(777, "curl localhost:5188", StoppedBy("SIGTSTP", 1))
	for _, request := range diagnose.Requests(s.Snapshot, port(5188)) {
		s.Answer("EADDRINUSE", request)
	}
	r := diagnose.Why(s.Snapshot, port(5188))
	for _, remedy := range r.Remedies {
		if strings.Contains(fmt.Sprint(remedy), "777") {
			t.Errorf("the client is in a remedy: %v", remedy)
		}
	}
	if len(r.Processes) != 0 || len(r.Causes) != 1 || len(r.Causes[0].PIDs) != 0 {
		t.Errorf("the client is blamed: %v %v", r.Processes, r.Causes)
	}
	if !strings.Contains(r.Causes[0].Detail, "curl (pid 777)") {
		t.Errorf("the other end is not named: %s", r.Causes[0].Detail)
	}
}

// TestFolding wants one row for many leftovers, and all of them when asked.
func TestFolding(t *testing.T) {
	all := port(5188)
	all.AllSockets = true
	for _, test := range []struct {
		left, rows int
		question   diagnose.Question
	}{{16, 16, port(5188)}, {17, 1, port(5188)}, {17, 17, all}} {
		s := manyLeft(test.left)
		s.TCP("ESTABLISHED", "127.0.0.1:5188", "127.0.0.1:45499", OwnedBy(4211)).Process(4211, "./server")
		r := diagnose.Why(s.Snapshot, test.question)
		if len(r.Sockets) != test.rows+1 {
			t.Errorf("%d rows for %d leftovers, want %d and one", len(r.Sockets), test.left, test.rows)
		}
		last := r.Sockets[len(r.Sockets)-1]
		if last.Timer.RemainingSeconds != float64(test.left) || last.Count != test.left-test.rows+1 || (last.Remote == nil) != (test.rows == 1) {
			t.Errorf("the last row of %d leftovers is %+v", test.left, last)
		}
	}
}

// TestRequests checks which binds are tried, and in which order.
func TestRequests(t *testing.T) {
	words := func(s *Snapshot, q diagnose.Question) (words []string) {
		for _, r := range diagnose.Requests(s.Snapshot, q) {
			word := r.Address.String()
			if r.ReuseAddr {
				word += " reuseaddr"
			}
			if r.ReusePort {
				word += " reuseport"
			}
			if r.V6Only {
				word += " v6only"
			}
			words = append(words, word)
		}
		return words
	}
	v6only := port(5188)
	v6only.V6Only = true
	udp := diagnose.Question{Network: netstate.UDP, Port: 5353}
	shared := diagnose.Question{Network: netstate.UDP, Port: 5353, ReuseAddr: true}
	group := NewSnapshot().TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(1), Sharing(false, true))
	datagrams := NewSnapshot().UDP("0.0.0.0:5353", "", OwnedBy(1), Sharing(true, true))
	for _, test := range []struct {
		name     string
		snapshot *Snapshot
		question diagnose.Question
		want     []string
	}{
		{"nothing there", NewSnapshot(), port(5188), []string{"0.0.0.0", "::"}},
		{"IPv6 only", NewSnapshot(), v6only, []string{"0.0.0.0", ":: v6only"}},
		{"a listener", server(), port(5188), []string{"0.0.0.0", "::", "0.0.0.0 reuseaddr", ":: reuseaddr"}},
		{"a group", group, address("127.0.0.1", 5188), []string{"127.0.0.1", "127.0.0.1 reuseaddr", "127.0.0.1 reuseport"}},
		{"datagrams", datagrams, udp, []string{"0.0.0.0", "::"}},
		{"datagrams that would be taken", datagrams, shared, []string{"0.0.0.0", "::"}},
		{"datagrams of nobody", NewSnapshot(), shared, []string{"0.0.0.0 reuseaddr", ":: reuseaddr"}},
		{"a path", NewSnapshot(), diagnose.Question{Network: netstate.Unix, Path: "/run/x"}, nil},
	} {
		if diff := cmp.Diff(test.want, words(test.snapshot, test.question)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestIsPure keeps the package free of everything that is not in a snapshot.
func TestIsPure(t *testing.T) {
	allowed := []string{
		"cmp", "container/heap", "errors", "fmt", "math", "math/bits", "net/netip", "path", "slices", "sort", "strconv", "strings", "sync", "time",
		"unicode", "unicode/utf8", "portdoc/netstate",
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s: package diagnose is made of pure functions", name, path)
			}
		}
	}
}

// BenchmarkWhy explains a port with 50,000 leftovers and as many connections.
func BenchmarkWhy(b *testing.B) {
	s := NewSnapshot().
		TCP("LISTEN", "0.0.0.0:5188", "", OwnedBy(4211), Sharing(true, false)).
		Process(4211, "./server")
	for i := range 50_000 {
		peer := fmt.Sprintf("10.%d.%d.9:%d", i>>8, i&255, 40000)
		s.TCP("TIME_WAIT", "10.0.0.5:5188", peer, TimeLeft(1))
		s.TCP("ESTABLISHED", "10.0.0.5:5188", strings.Replace(peer, ".9:", ".8:", 1), OwnedBy(4211), From("accept"), Sharing(true, false))
	}
	for b.Loop() {
		if r := diagnose.Why(s.Snapshot, port(5188)); len(r.Causes) != 2 {
			b.Fatal(r.Causes)
		}
	}
}
