package main

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"portdoc/netstate"
	"portdoc/netstate/snapshottest"
)

// assorted is a snapshot in which each verdict occurs, with a process whose
// name tries to be markup.
func assorted(t *testing.T) (file string) {
	t.Helper()
	s := snapshottest.NewSnapshot().
		Process(4211, "./server", snapshottest.OnTerminal("pts/3", 4100), snapshottest.StoppedBy("SIGTSTP", 12*time.Minute)).
		TCP(netstate.StateListen, "0.0.0.0:5188", "", snapshottest.OwnedBy(4211), snapshottest.Sharing(true, false)).
		TCP(netstate.StateTimeWait, "127.0.0.1:5189", "127.0.0.1:45500", snapshottest.TimeLeft(45300*time.Millisecond), snapshottest.Sharing(true, false)).
		Process(4300, "::error##[x]|%0A,<b>`a`").
		TCP(netstate.StateListen, "127.0.0.1:8081", "", snapshottest.OwnedBy(4300)).
		Process(4400, "./other").
		TCP(netstate.StateListen, "[::]:8082", "", snapshottest.OwnedBy(4400))
	s.Query = netstate.Query{Endpoints: []netstate.Endpoint{{Network: netstate.TCP, Port: 1, LastPort: 65535}, {Network: netstate.UDP, Port: 53, LastPort: 53}}}
	file = filepath.Join(t.TempDir(), "snapshot.json")
	var text strings.Builder
	if err := s.Write(&text); err != nil {
		t.Fatal(err)
	}
	write(t, file, text.String())
	return file
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// assortedList names the targets of the assorted snapshot.
const assortedList = `# what the tests need
80 proxy # and a title
5188-5189
127.0.0.1:8081   # "odd", 100 %
127.0.0.1:8082 other
8080 web
8080 api
127.0.0.1:8080
40000
6000
53/udp
`

// suiteTime is the time that a check took, which no golden file has.
var suiteTime = regexp.MustCompile(`(errors="\d+" time=)"[0-9.]+"`)

func TestCheckFormats(t *testing.T) {
	t.Chdir(t.TempDir())
	snapshot := assorted(t)
	write(t, "ports.txt", assortedList)
	goldens := filepath.Join(startDirectory, "testdata", "check")
	for _, format := range []string{"text", "json", "github", "junit", "tap"} {
		summary := filepath.Join(t.TempDir(), "summary")
		t.Setenv("GITHUB_STEP_SUMMARY", summary)
		status, out, complaint := runInMemory("check", "--snapshot", snapshot, "--from", "ports.txt", "--format", format)
		if status != exitUnknown {
			t.Errorf("%s: exit status %d", format, status)
		}
		if version := version(); format == "junit" {
			out = strings.ReplaceAll(suiteTime.ReplaceAllString(out, `$1"0.000"`), version, "VERSION")
			checkJUnit(t, out)
		}
		golden(t, filepath.Join(goldens, "assorted."+format), out)
		if format == "text" {
			golden(t, filepath.Join(goldens, "assorted.stderr"), complaint)
			checkClean(t, out, layout{width: 200})
		} else if complaint != "" {
			t.Errorf("%s: standard error has %q", format, complaint)
		}
		if format == "github" {
			text, err := os.ReadFile(summary)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(goldens, "assorted.summary.md"), string(text))
			checkWorkflowCommands(t, out)
		} else if _, err := os.Stat(summary); err == nil {
			t.Errorf("%s wrote a job summary", format)
		}
		if format == "tap" {
			checkTAP(t, out)
		}
	}
}

// startDirectory is where the tests begin.
var startDirectory, _ = os.Getwd()

// checkJUnit holds a report against the rules of the schema that render_junit.go
// names: the order of elements, what is required, and that the numbers are
// those of the elements.
func checkJUnit(t *testing.T, text string) {
	t.Helper()
	rules := map[string]struct{ attributes, children []string }{
		"testsuites": {nil, []string{"testsuite"}},
		"testsuite": {
			[]string{"package", "id", "name", "timestamp", "hostname", "tests", "failures", "errors", "time"},
			[]string{"properties", "testcase", "system-out", "system-err"},
		},
		"properties": {nil, []string{"property"}},
		"property":   {[]string{"name", "value"}, nil},
		"testcase":   {[]string{"name", "classname", "time"}, []string{"failure", "error"}},
		"failure":    {[]string{"message", "type"}, nil},
		"error":      {[]string{"message", "type"}, nil},
		"system-out": {}, "system-err": {},
	}
	decoder := xml.NewDecoder(strings.NewReader(text))
	counts := map[string]int{}
	var path []string
	last := map[int]int{} // the place of the last child, by depth
	var suite xml.StartElement
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("no XML: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			counts[name]++
			rule, known := rules[name]
			if !known {
				t.Fatalf("the schema has no element %q", name)
			}
			var attributes []string
			for _, a := range token.Attr {
				attributes = append(attributes, a.Name.Local)
			}
			if diff := cmp.Diff(rule.attributes, attributes); diff != "" {
				t.Errorf("attributes of %s (-want +got):\n%s", name, diff)
			}
			if len(path) > 0 {
				place := indexOf(rules[path[len(path)-1]].children, name)
				if place < last[len(path)] {
					t.Errorf("%s is in the wrong place in %s", name, path)
				}
				last[len(path)] = place
			}
			if name == "testsuite" {
				suite = token.Copy()
			}
			path = append(path, name)
			last[len(path)] = 0
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
	for attribute, element := range map[string]string{"tests": "testcase", "failures": "failure", "errors": "error"} {
		for _, a := range suite.Attr {
			if a.Name.Local == attribute && a.Value != jsonOf(counts[element]) {
				t.Errorf("%s=%q, but there are %d", attribute, a.Value, counts[element])
			}
		}
	}
	for _, required := range []string{"properties", "system-out", "system-err"} {
		if counts[required] != 1 {
			t.Errorf("%d elements %q, want 1", counts[required], required)
		}
	}
}

func indexOf(all []string, one string) int {
	for i, s := range all {
		if s == one {
			return i
		}
	}
	return -1
}

func jsonOf(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}

// checkWorkflowCommands makes sure that no command is there but annotations.
func checkWorkflowCommands(t *testing.T, text string) {
	t.Helper()
	annotation := regexp.MustCompile(`^::(error|warning) (file=[^:,]+,line=\d+,)?title=[^:,]+::.+$`)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(line), "::") && !annotation.MatchString(line) || strings.Contains(line, "##[") {
			t.Errorf("a line that a runner obeys: %q", line)
		}
	}
}

// checkTAP makes sure that the plan holds and that each diagnostic is YAML.
func checkTAP(t *testing.T, text string) {
	t.Helper()
	var tests int
	var block *strings.Builder
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines[2:] {
		switch {
		case line == "  ---":
			block = new(strings.Builder)
		case line == "  ...":
			var value map[string]any
			if err := yaml.Unmarshal([]byte(block.String()), &value); err != nil || value["verdict"] == nil {
				t.Errorf("%v in %s", err, block)
			}
			block = nil
		case block != nil:
			block.WriteString(line + "\n")
		case regexp.MustCompile(`^(not )?ok \d+ - \S+$`).MatchString(line):
			tests++
		default:
			t.Errorf("no line of TAP: %q", line)
		}
	}
	if lines[0] != "TAP version 14" || lines[1] != "1.."+jsonOf(tests) || block != nil {
		t.Errorf("%d tests, and the text begins %q", tests, lines[:2])
	}
}

func TestGitHubEscapes(t *testing.T) {
	r := checked{verdict: "blocked", reason: "100%, a:b", status: exitBlocked, checkTarget: checkTarget{subject: new(subject), source: &source{"w:e,b", "a,b:c%.yaml", 7}}}
	r.network, r.port = netstate.TCP, 80
	got := r.annotation("error", "a:b,c%\r\n", "x%y\nz::\n")
	want := "::error file=a%2Cb%3Ac%25.yaml,line=7,title=a%3Ab%2Cc%25\\x0d\\x0a::x%25y%0Az::\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCutRange(t *testing.T) {
	for word, want := range map[string][2]string{
		"8000-8010":                {"8000", "8010"},
		"8000-8010/udp":            {"8000/udp", "8010"},
		"127.0.0.1:8000-8010/tcp":  {"127.0.0.1:8000/tcp", "8010"},
		"[::1]:8000-8010":          {"[::1]:8000", "8010"},
		"udp://:53-55":             {"udp://:53", "55"},
		"tcp://8000-8010":          {"tcp://8000", "8010"},
		"my-host:80-90":            {"my-host:80", "90"},
		":1-2":                     {":1", "2"},
		"8000":                     {"8000", ""},
		"my-host-1-2:80":           {"my-host-1-2:80", ""},
		"host1-2":                  {"host1-2", ""},
		"-5":                       {"-5", ""},
		"8000-":                    {"8000-", ""},
		"/run/80-90":               {"/run/80-90", ""},
		"@80-90":                   {"@80-90", ""},
		"unix:80-90":               {"unix:80-90", ""},
		"http://localhost:80-90/a": {"http://localhost:80-90/a", ""},
	} {
		single, end, _ := cutRange(word)
		if got := [2]string{single, end}; got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

// FuzzCutRange: what is cut off is a number, and put together again it is the
// word.
func FuzzCutRange(f *testing.F) {
	f.Add("127.0.0.1:8000-8010/udp")
	f.Add("tcp://-1-2/udp")
	f.Fuzz(func(t *testing.T, word string) {
		single, end, ranged := cutRange(word)
		if !ranged && (single != word || end != "") {
			t.Fatalf("%q: %q %q", word, single, end)
		}
		if ranged && (len(single)+1+len(end) != len(word) || strings.Trim(end, "0123456789") != "") {
			t.Fatalf("%q: %q %q", word, single, end)
		}
	})
}

// TestPortLists: what is looked up by binary search is sorted.
func TestPortLists(t *testing.T) {
	for i := 1; i < len(badPorts); i++ {
		if badPorts[i-1] >= badPorts[i] {
			t.Errorf("%d comes before %d", badPorts[i-1], badPorts[i])
		}
	}
}
