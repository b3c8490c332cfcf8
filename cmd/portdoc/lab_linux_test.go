package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"portdoc/cmd/portdoc/internal/lab"
	"portdoc/diagnose"
	"portdoc/netstate/netstatetest"
)

// namedOtherwise are the experiments that are not named after a cause, with
// the cause that their report has all the same; "" for none.
var namedOtherwise = map[string]diagnose.CauseID{
	"echo":               "listener",
	"many-clients":       "listener",
	"server-exits-first": "time-wait",
	"client-exits-first": "listener",
	"eof-minus-one":      "listener",
	"eof-zero":           "listener",
	"reuseaddr":          "time-wait",
	"ctrl-z":             "stopped",
	"linger-rst":         "",
}

// TestLab plays every experiment. Each ends with the cause that it is named
// after, and with no process left.
func TestLab(t *testing.T) {
	for _, e := range lab.All() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			want, ok := namedOtherwise[e.Name]
			if !ok {
				want = diagnose.CauseID(e.Name)
			}
			result, status := playLab(t, e.Name)
			if !result.OK || result.Problem != "" || status != exitFree {
				t.Fatalf("exit status %d, problem %q", status, result.Problem)
			}
			if want == "" && result.Report.Verdict != diagnose.Free || want != "" && !slices.Contains(causes(result.Report), want) {
				t.Errorf("causes %q, want %q\n%s", causes(result.Report), want, indented(result.Report))
			}
			if len(result.Steps) < len(e.Steps)+len(e.After) {
				t.Errorf("%d steps were played", len(result.Steps))
			}
		})
	}
}

// playLab plays one experiment in a process of its own, which leaves none.
func playLab(t *testing.T, name string) (*lab.Result, int) {
	t.Helper()
	files := t.TempDir()
	mark := "PORTDOC_TEST_MARK=" + files
	command := exec.Command("portdoc", "lab", name, "--json")
	command.Env = append(os.Environ(), mark, "TMPDIR="+files)
	command.Stderr = os.Stderr
	out, _ := command.Output()
	if bytes.Contains(out, []byte(`"causes":null`)) || bytes.Contains(out, []byte(`"said":null`)) {
		t.Errorf("null in the place of an array: %s", out)
	}
	result := new(lab.Result)
	if err := json.Unmarshal(out, result); err != nil || result.Schema != lab.Schema || result.Experiment != name {
		t.Fatalf("%v in %s", err, out)
	}
	if left := marked(mark); len(left) > 0 {
		t.Errorf("processes %d are left", left)
	}
	if left, err := os.ReadDir(files); err != nil || len(left) > 0 {
		t.Errorf("files %v are left, %v", left, err)
	}
	return result, command.ProcessState.ExitCode()
}

// TestLabReuseAddr: of the four combinations of the old and the new socket only
// one lets the new server listen.
func TestLabReuseAddr(t *testing.T) {
	t.Parallel()
	result, _ := playLab(t, "reuseaddr")
	var started []string
	for _, step := range result.Steps {
		if slices.ContainsFunc(step.Said, func(line string) bool { return strings.HasPrefix(line, "restart: listening on") }) {
			started = append(started, step.Does)
		}
	}
	if len(started) != 1 || !strings.HasPrefix(started[0], "Old with, new with") {
		t.Errorf("a restart succeeded in %q", started)
	}
}

// TestLabText pins all that a person sees of one experiment.
func TestLabText(t *testing.T) {
	t.Parallel()
	command := exec.Command("portdoc", "lab", "time-wait")
	command.Env = append(os.Environ(), "COLUMNS=120") // nothing has to be cut
	out, err := command.Output()
	if err != nil {
		t.Error(err)
	}
	golden(t, filepath.Join("testdata", "lab", "time-wait.txt"), masked(string(out)))
}

// Ports, process ids and seconds are other ones each time. All ports have five
// digits here; process ids do not, so the space around them is made the same.
var (
	portText  = regexp.MustCompile(`\b[3-6][0-9]{4}\b`)
	tableText = regexp.MustCompile(`(?m)^  (LOCAL|127\.0\.0\.1:).*$`)
	pidText   = regexp.MustCompile(`  [0-9]+  portdoc`)
	spaceText = regexp.MustCompile(` {2,}`)
	timeText  = regexp.MustCompile(`\b(60|5[0-9]) (s|seconds|more seconds)\b`)
)

func masked(text string) string {
	text = tableText.ReplaceAllStringFunc(text, func(row string) string {
		return "  " + pidText.ReplaceAllString(spaceText.ReplaceAllString(row[2:], "  "), "  PID  portdoc")
	})
	ports := map[string]string{}
	text = portText.ReplaceAllStringFunc(text, func(port string) string {
		if ports[port] == "" {
			ports[port] = fmt.Sprintf("PORT%d", len(ports)+1)
		}
		return ports[port]
	})
	return timeText.ReplaceAllString(text, "60 $2")
}

// TestLabAll plays them all in a row, as text.
func TestLabAll(t *testing.T) {
	t.Parallel()
	status, out := portdoc(t, "lab", "all")
	if number := len(lab.All()); status != exitFree || !strings.HasSuffix(out, fmt.Sprintf("\n%[1]d experiments: %[1]d as they should be\n", number)) {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	checkClean(t, out, layout{width: defaultWidth})
}

// TestLabList pins the list.
func TestLabList(t *testing.T) {
	t.Parallel()
	status, out := portdoc(t, "lab")
	if status != exitFree {
		t.Errorf("exit status %d", status)
	}
	golden(t, filepath.Join("testdata", "lab", "list.txt"), out)
	checkClean(t, out, layout{width: defaultWidth})
	if strings.Contains(out, "…") {
		t.Error("a description is too long for 80 columns")
	}
}

// TestLabEnded: whatever ends the lab in the middle, no process, file or socket
// is left.
func TestLabEnded(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		for _, name := range []string{"inherited", "ctrl-z", "stale-socket-file", "ephemeral-exhausted"} {
			for _, line := range []string{"1. ", "The state stands"} {
				t.Run(fmt.Sprintf("%s/%v/%s", name, signal, line[:2]), func(t *testing.T) {
					t.Parallel()
					endLab(t, name, signal, line)
				})
			}
		}
	}
}

// endLab sends a signal to a lab that keeps its state, after it has printed a
// line that begins with a text.
func endLab(t *testing.T, name string, signal syscall.Signal, begin string) {
	files := t.TempDir()
	mark := "PORTDOC_TEST_MARK=" + files
	command := exec.Command("portdoc", "lab", name, "--keep")
	command.Env = append(os.Environ(), mark, "TMPDIR="+files)
	process, line := netstatetest.Run(t, command)
	for !strings.HasPrefix(line, begin) {
		line = process.Line(t)
	}
	must(process.Process.Signal(signal))
	process.Rest(t)
	if signal == syscall.SIGKILL {
		awaitEnd(t, marked(mark))
		return // nobody is there to remove a file
	}
	// The first step may be over before the signal comes.
	if status := process.ProcessState.ExitCode(); status != exitFree && (status != exitBlocked || begin != "1. ") {
		t.Errorf("exit status %d", status)
	}
	if left := marked(mark); len(left) > 0 {
		t.Errorf("processes %d are left", left)
	}
	if left, err := os.ReadDir(files); err != nil || len(left) > 0 {
		t.Errorf("files %v are left, %v", left, err)
	}
}

// marked are the processes with a variable in their environment.
func marked(variable string) (pids []int) {
	directories, err := filepath.Glob("/proc/[0-9]*")
	must(err)
	for _, directory := range directories {
		environment, err := os.ReadFile(directory + "/environ")
		if pid, _ := strconv.Atoi(filepath.Base(directory)); err == nil && bytes.Contains(environment, []byte(variable)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// awaitEnd waits until processes that are ending have ended.
func awaitEnd(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		must(err)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 30_000)
		for errors.Is(err, unix.EINTR) { // by a signal of Go's scheduler
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 30_000)
		}
		if n != 1 {
			t.Errorf("process %d is left: %v", pid, err)
			unix.Kill(pid, unix.SIGKILL)
		}
		unix.Close(fd)
	}
}

func init() {
	roles["lab"] = func(arguments []string) {
		if arguments[0] == "cramped" {
			set("user/max_net_namespaces", "0")
		}
		status, out, complaint := runInMemory(append([]string{"lab"}, arguments[1:]...)...)
		fmt.Printf("%d %q %q\n", status, out, complaint)
	}
}

// labElsewhere plays in a network namespace without a loopback interface, and
// in one where no other can be made if it is cramped.
func labElsewhere(t *testing.T, where string, arguments ...string) (status int, out, complaint string) {
	t.Helper()
	command := netstatetest.Command("lab", append([]string{where}, arguments...)...)
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	_, line := netstatetest.Run(t, command)
	_, err := fmt.Sscanf(line, "%d %q %q", &status, &out, &complaint)
	must(err)
	return status, out, complaint
}

// TestLabOtherwise: where the loopback interface is down no client gets
// through, and the lab says what happened instead.
func TestLabOtherwise(t *testing.T) {
	t.Parallel()
	status, out, _ := labElsewhere(t, "no loopback", "echo")
	if status != exitBlocked || !strings.Contains(out, "✗ This machine behaved otherwise: step ") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	status, out, _ = labElsewhere(t, "no loopback", "echo", "--json")
	result := new(lab.Result)
	if err := json.Unmarshal([]byte(out), result); err != nil || status != exitBlocked || result.OK || result.Problem == "" {
		t.Errorf("exit status %d, %v:\n%s", status, err, out)
	}
}

// TestLabNoNetwork: a network of its own may be refused. That is said.
func TestLabNoNetwork(t *testing.T) {
	t.Parallel()
	status, out, complaint := labElsewhere(t, "cramped", "ephemeral-exhausted")
	if status != exitBlocked || out != "" || !strings.Contains(complaint, "refuses a network of its own") {
		t.Errorf("exit status %d: %s%s", status, out, complaint)
	}
}

// TestLabUsage: a slip is told with a right command.
func TestLabUsage(t *testing.T) {
	for _, words := range []string{"timewait", "time-wait bound", "time-wait --keep --json", "all --keep", "--json"} {
		status, out, complaint := runInMemory(append([]string{"lab"}, strings.Fields(words)...)...)
		if status != exitUsage || out != "" || !strings.Contains(complaint, "portdoc lab time-wait") {
			t.Errorf("%q: exit status %d: %s%s", words, status, out, complaint)
		}
	}
}

// TestLabAllLeavesOut: what this machine does not allow is left out of all of
// them, and no failure.
func TestLabAllLeavesOut(t *testing.T) {
	t.Parallel()
	_, out, complaint := labElsewhere(t, "cramped", "all")
	if !strings.Contains(out, "1 left out (ephemeral-exhausted)") || !strings.Contains(complaint, "refuses a network of its own") {
		t.Errorf("%s%s", out[max(0, len(out)-300):], complaint)
	}
}

// TestLabNetworkIsItsOwn: the variable of another process's environment does
// not make the lab change a network that it shares.
func TestLabNetworkIsItsOwn(t *testing.T) {
	t.Parallel()
	const ephemeral = "/proc/sys/net/ipv4/ip_local_port_range"
	before, err := os.ReadFile(ephemeral)
	must(err)
	network, err := os.Readlink("/proc/self/ns/net")
	must(err)
	command := exec.Command("portdoc", "lab", "ephemeral-exhausted")
	command.Env = append(os.Environ(), "PORTDOC_LAB_NETWORK=network "+network)
	must(command.Run())
	if after, err := os.ReadFile(ephemeral); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the range is %q now, %v", after, err)
	}
}
