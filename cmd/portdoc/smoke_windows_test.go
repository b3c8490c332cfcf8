package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"

	"portdoc/diagnose"
	"portdoc/netstate"
	"portdoc/netstate/netstatetest"
)

// These tests run the whole program on Windows and, except where they say so,
// under Wine, which can't remove the temporary folders that other tests need.

func init() {
	roles["portdoc"] = func([]string) { main() }
	roles["visible listener"] = func([]string) {
		fmt.Println(listenVisibly().Addr())
		netstatetest.UntilInputEnds()
	}
}

// listenVisibly listens, and asks the socket for an option: Wine 8 names no
// process for one that was never asked.
func listenVisibly() *net.TCPListener {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		panic(err)
	}
	raw, err := listener.SyscallConn()
	if err != nil {
		panic(err)
	}
	raw.Control(func(fd uintptr) {
		var linger syscall.Linger
		size := int32(unsafe.Sizeof(linger))
		windows.Getsockopt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_LINGER, (*byte)(unsafe.Pointer(&linger)), &size)
	})
	return listener
}

// runPortdoc runs this program in a process of its own.
func runPortdoc(t *testing.T, input string, arguments ...string) (status int, out, failures string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := netstatetest.Command("portdoc", arguments...)
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input), &stdout, &stderr
	err := command.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// reportOn asks why about a target, and compares the exit status.
func reportOn(t *testing.T, status int, target string) diagnose.Report {
	t.Helper()
	got, out, failures := runPortdoc(t, "", "why", "--json", target)
	if got != status || failures != "" {
		t.Errorf("why %s: exit status %d, want %d\n%s%s", target, got, status, out, failures)
	}
	var report diagnose.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if report.Host.OS != "windows" {
		t.Errorf("the system is %q", report.Host.OS)
	}
	return report
}

func hasCause(report diagnose.Report, id diagnose.CauseID, pid int) bool {
	return slices.ContainsFunc(report.Causes, func(c diagnose.Cause) bool {
		return c.ID == id && (pid == 0 || slices.Contains(c.PIDs, pid))
	})
}

func TestWindowsListener(t *testing.T) {
	process, line := netstatetest.Start(t, "visible listener")
	pid := process.Process.Pid
	report := reportOn(t, exitBlocked, line)
	if report.Verdict != diagnose.Blocked || report.Errno == nil || *report.Errno != "EADDRINUSE" || !hasCause(report, "listener", pid) {
		t.Errorf("%+v", report)
	}
	status, out, _ := runPortdoc(t, "", "why", line)
	if status != exitBlocked || !strings.Contains(out, fmt.Sprint(pid)) {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	process.Kill()
	if report := reportOn(t, exitFree, line); report.Verdict != diagnose.Free {
		t.Errorf("after its end: %+v", report)
	}
}

func TestWindowsSuspended(t *testing.T) {
	process, line := netstatetest.Start(t, "visible listener")
	pid := process.Process.Pid
	handle, err := windows.OpenProcess(windows.PROCESS_SUSPEND_RESUME, false, uint32(pid))
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(handle)
	if status, _, _ := windows.NewLazySystemDLL("ntdll.dll").NewProc("NtSuspendProcess").Call(uintptr(handle)); status != 0 {
		t.Fatal(windows.NTStatus(status))
	}
	if report := reportOn(t, exitBlocked, line); report.Verdict != diagnose.Blocked || !hasCause(report, "stopped", pid) {
		t.Errorf("%+v", report)
	}
}

// TestWindowsTimeWait only looks for the socket: nothing is published about
// what a bind gets beside it, and Wine has the rules of its host.
func TestWindowsTimeWait(t *testing.T) {
	listener := listenVisibly()
	address := listener.Addr().String()
	client, err := net.Dial("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	client.Read(make([]byte, 1)) // until the end of the stream
	client.Close()
	listener.Close()
	isWaiting := func(s diagnose.Socket) bool { return s.State == string(netstate.StateTimeWait) && len(s.PIDs) == 0 }
	out := ""
	for range 20 { // the system may still have the client's FIN on its way
		_, out, _ = runPortdoc(t, "", "why", "--json", address)
		var report diagnose.Report
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if len(report.Sockets) == 1 && isWaiting(report.Sockets[0]) && len(report.Processes) == 0 {
			return
		}
	}
	t.Errorf("%s", out)
}

func TestWindowsServeAndClient(t *testing.T) {
	_, line := netstatetest.Start(t, "portdoc", "serve", "--addr", "127.0.0.1:0")
	address, ok := strings.CutPrefix(line, "listening on ")
	if !ok {
		t.Fatalf("the first line is %q", line)
	}
	status, out, failures := runPortdoc(t, "one\r\ntwo\n", "client", address)
	if status != 0 || !strings.HasSuffix(out, "one\r\ntwo\n") {
		t.Errorf("client: exit status %d\n%q\n%s", status, out, failures)
	}
	status, _, failures = runPortdoc(t, "", "serve", "--addr", address)
	if status != exitBlocked || !strings.Contains(failures, netip.MustParseAddrPort(address).String()) {
		t.Errorf("a second server: exit status %d\n%s", status, failures)
	}
}

func TestWindowsCheck(t *testing.T) {
	_, line := netstatetest.Start(t, "visible listener")
	status, out, _ := runPortdoc(t, "", "check", line)
	if status != exitBlocked || !strings.Contains(out, line) {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	status, out, _ = runPortdoc(t, "", "check", "--until", "open", line)
	if status != exitFree {
		t.Errorf("until open: exit status %d:\n%s", status, out)
	}
	status, out, _ = runPortdoc(t, "", "check", "--format", "json", line)
	if status != exitBlocked || !json.Valid([]byte(out)) {
		t.Errorf("JSON: exit status %d:\n%s", status, out)
	}
}

// TestWindowsRun: the command's output and exit status are its own, and an
// error message of it is explained.
func TestWindowsRun(t *testing.T) {
	process, line := netstatetest.Start(t, "visible listener")
	message := "Error: listen EADDRINUSE: address already in use " + line
	status, out, failures := runPortdoc(t, "", "run", "--", "cmd", "/c", "echo "+message+" 1>&2 & echo out & exit 7")
	if status != 7 || !strings.Contains(out, "out") || !strings.Contains(failures, message) ||
		!strings.Contains(failures, fmt.Sprint(process.Process.Pid)) {
		t.Errorf("exit status %d\n%s\n%s", status, out, failures)
	}
	status, _, _ = runPortdoc(t, "", "run", "--", "no-such-program")
	if status != 127 {
		t.Errorf("no such program: exit status %d", status)
	}
}

func TestWindowsUsage(t *testing.T) {
	status, out, failures := runPortdoc(t, "", "why", "no:such:target")
	if status != exitUsage || out != "" || !strings.Contains(failures, "portdoc why 5188") {
		t.Errorf("exit status %d\n%s%s", status, out, failures)
	}
	status, out, _ = runPortdoc(t, "", "version")
	if status != 0 || !strings.Contains(out, "windows/") {
		t.Errorf("version: exit status %d\n%s", status, out)
	}
}

// TestWindowsFile: what is at the path of a unix socket is seen, although its
// owner is not.
func TestWindowsFile(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if report := reportOn(t, exitBlocked, "unix:"+self); !hasCause(report, "path-exists", 0) {
		t.Errorf("%+v", report)
	}
}
