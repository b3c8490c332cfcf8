package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"portdoc/diagnose"
	"portdoc/netstate/netstatetest"
)

// portdoc runs the real program in this namespace.
func portdoc(t *testing.T, arguments ...string) (status int, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.Command("portdoc", arguments...)
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if stderr.Len() > 0 {
		t.Errorf("portdoc %v: %s", arguments, &stderr)
	}
	return command.ProcessState.ExitCode(), stdout.String()
}

// TestWhyListener asks about a port while another process listens there, and
// again when that process is gone.
func TestWhyListener(t *testing.T) {
	process, port := netstatetest.Start(t, "listener", "127.0.0.1:0")
	pid := strconv.Itoa(process.Process.Pid)

	status, out := portdoc(t, "why", port)
	if status != exitBlocked || !strings.HasPrefix(out, "✗ "+port+"/tcp is taken: ") || !strings.Contains(out, "kill -TERM "+pid) {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("colour in a pipe:\n%q", out)
	}
	if status, out := portdoc(t, "why", "127.0.0.2:"+port); status != exitFree {
		t.Errorf("another address: exit status %d:\n%s", status, out)
	}

	process.Kill()
	if status, out := portdoc(t, "why", port); status != exitFree || !strings.HasPrefix(out, "✓ "+port+"/tcp is free") {
		t.Errorf("after the end: exit status %d:\n%s", status, out)
	}
}

// TestWhySeveral: one object for each target, in their order, and the highest
// exit status.
func TestWhySeveral(t *testing.T) {
	_, port := netstatetest.Start(t, "listener", "127.0.0.1:0")
	status, out := portdoc(t, "why", "--json", port+"/udp", port)
	if status != exitBlocked {
		t.Errorf("exit status %d, want %d", status, exitBlocked)
	}
	var verdicts []diagnose.Verdict
	for line := range strings.Lines(out) {
		var report diagnose.Report
		if err := json.Unmarshal([]byte(line), &report); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		verdicts = append(verdicts, report.Verdict)
	}
	if len(verdicts) != 2 || verdicts[0] != diagnose.Free || verdicts[1] != diagnose.Blocked {
		t.Errorf("verdicts %v, want free and blocked", verdicts)
	}
}

// TestCaptureExplainsItself: a snapshot gives the same answer as the machine,
// word for word. Its arguments are there only if they were asked for.
func TestCaptureExplainsItself(t *testing.T) {
	_, port := netstatetest.Start(t, "listener", "127.0.0.1:0", "--password=secret")
	plain, whole := filepath.Join(t.TempDir(), "plain"), filepath.Join(t.TempDir(), "whole")
	portdoc(t, "capture", port, "-o", plain)
	portdoc(t, "capture", port, "-o", whole, "--arguments")

	_, here := portdoc(t, "why", port)
	status, there := portdoc(t, "why", port, "--snapshot", whole)
	if status != exitBlocked || withoutAge(there) != withoutAge(here) {
		t.Errorf("exit status %d, from the snapshot:\n%s\nfrom the machine:\n%s", status, there, here)
	}
	if !strings.Contains(here, "secret") {
		t.Errorf("the command line is not shown:\n%s", here)
	}
	if _, there := portdoc(t, "why", "--snapshot", plain); strings.Contains(there, "secret") || !strings.Contains(there, port) {
		t.Errorf("from a snapshot without arguments:\n%s", there)
	}
}

// withoutAge leaves out for how long a process has been running, which is all
// that may change from one moment to the next.
func withoutAge(text string) string {
	before, rest, _ := strings.Cut(text, " started ")
	_, after, _ := strings.Cut(rest, " ago")
	return before + after
}

// TestOutputNotWanted is what Python's DEVNULL and Node's "ignore" do: the
// exit status is still the verdict.
func TestOutputNotWanted(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(err)
	defer null.Close()
	path, err := os.Executable()
	must(err)
	port := portOf(newPuppet(t).do("listen", "127.0.0.1:0"))
	var complaint strings.Builder
	command := &exec.Cmd{Path: path, Args: []string{"portdoc", "why", port}, Stdout: null, Stderr: &complaint}
	command.Run()
	if status := command.ProcessState.ExitCode(); status != exitBlocked {
		t.Errorf("exit status %d, want %d", status, exitBlocked)
	}
	if lines := strings.Count(complaint.String(), "\n"); lines != 1 {
		t.Errorf("%d lines on standard error, want 1: %q", lines, &complaint)
	}
}
