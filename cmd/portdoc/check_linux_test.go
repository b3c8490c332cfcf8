package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portdoc/diagnose"
	"portdoc/netstate"
	"portdoc/netstate/netns"
	"portdoc/netstate/netstatetest"
	"portdoc/netstate/snapshottest"
)

// TestCheckRange: a thousand targets from one snapshot, two of them taken, which
// have the reports that why gives them.
func TestCheckRange(t *testing.T) {
	p := newPuppet(t)
	p.do("listen", "127.0.0.1:8500")
	p.do("listen", "[::1]:8501") // a bind of 0.0.0.0 succeeds
	status, out, complaint := runInMemory("check", "8000-8999", "--json")
	if status != exitBlocked || complaint != "" {
		t.Errorf("exit status %d, standard error %q", status, complaint)
	}
	port := 8000
	for line := range strings.Lines(out) {
		var report diagnose.Report
		if err := json.Unmarshal([]byte(line), &report); err != nil {
			t.Fatal(err)
		}
		want := diagnose.Free
		if port == 8500 || port == 8501 {
			want = diagnose.Blocked
			alone := why(t, strconv.Itoa(port))
			report.Taken = alone.Taken
			if diff := cmp.Diff(alone, &report); diff != "" {
				t.Errorf("%d in the range is another one than alone (-alone +range):\n%s", port, diff)
			}
		}
		if int(*report.Target.Port) != port || report.Verdict != want {
			t.Errorf("port %d is %s in the place of %d", *report.Target.Port, report.Verdict, port)
		}
		port++
	}
	if port != 9000 {
		t.Errorf("the last port is %d", port-1)
	}
}

// background is a check that runs as a process of its own.
type background struct {
	*exec.Cmd
	t              *testing.T
	out            strings.Builder
	standardErrors *bufio.Reader
}

func startCheck(t *testing.T, arguments ...string) *background {
	t.Helper()
	b := &background{Cmd: exec.Command("portdoc", append([]string{"check"}, arguments...)...), t: t}
	b.Stdout = &b.out
	pipe, err := b.StderrPipe()
	must(err)
	b.standardErrors = bufio.NewReader(pipe)
	must(b.Start())
	t.Cleanup(func() { b.Process.Kill(); b.Wait() })
	return b
}

// line is the next line on standard error.
func (b *background) line() string {
	b.t.Helper()
	line, err := b.standardErrors.ReadString('\n')
	if err != nil {
		b.t.Fatalf("no line on standard error: %q, %v, output %q", line, err, &b.out)
	}
	return strings.TrimSuffix(line, "\n")
}

// end waits for the end and returns what was left on standard error.
func (b *background) end() (status int, out, complaint string) {
	rest, err := io.ReadAll(b.standardErrors)
	must(err)
	b.Wait()
	return b.ProcessState.ExitCode(), b.out.String(), withoutWarnings(string(rest))
}

// withoutWarnings leaves out what is said of every port that the system chose.
func withoutWarnings(complaint string) string {
	kept, _, _ := strings.Cut(complaint, "warning: ")
	return kept
}

// TestCheckWaitsForExit: the line says for whom it waits, and the end of that
// process ends the check.
func TestCheckWaitsForExit(t *testing.T) {
	t.Parallel()
	p := newPuppet(t)
	port := portOf(p.do("listen", "0.0.0.0:0"))
	b := startCheck(t, port, "--wait", "60s")
	line := b.line()
	if !strings.HasPrefix(line, "waiting, 1m0s at most: "+port+"/tcp is blocked: ") || !strings.Contains(line, fmt.Sprintf("(pid %d)", p.pid())) {
		t.Errorf("it says %q", line)
	}
	p.Kill()
	if status, out, complaint := b.end(); status != exitFree || out != port+"/tcp  free\n" || complaint != "" {
		t.Errorf("exit status %d, output %q, then %q", status, out, complaint)
	}
}

// TestPauseEndsWithProcess: an hour's sleep ends with the process.
func TestPauseEndsWithProcess(t *testing.T) {
	t.Parallel()
	p := newPuppet(t)
	ended := make(chan error)
	go func() { ended <- pause{length: time.Hour, pids: []int{p.pid()}}.sleep(context.Background()) }()
	p.Kill()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestCheckGivesUp: the reason is there at the end, and the status that of the
// verdict.
func TestCheckGivesUp(t *testing.T) {
	t.Parallel()
	p := newPuppet(t)
	port := portOf(p.do("listen", "0.0.0.0:0"))
	status, out, complaint := runInMemory("check", port, "--wait", "1ms")
	reason := fmt.Sprintf("%s/tcp is blocked: %s (pid %d) listens on 0.0.0.0:%s", port, nameOf(out), p.pid(), port)
	if status != exitBlocked || withoutWarnings(complaint) != "waiting, 1ms at most: "+reason+"\ngave up after 1ms: "+reason+"\n" {
		t.Errorf("exit status %d, output %q, standard error:\n%s", status, out, complaint)
	}
}

// nameOf is what a line of check calls the process, which is this test's
// binary.
func nameOf(line string) string {
	_, after, _ := strings.Cut(line, "blocked  ")
	name, _, _ := strings.Cut(after, " (pid")
	return name
}

// TestCheckInterrupted: Ctrl+C ends a wait at once.
func TestCheckInterrupted(t *testing.T) {
	t.Parallel()
	port := portOf(newPuppet(t).do("listen", "127.0.0.1:0"))
	b := startCheck(t, port, "--wait", "60s")
	b.line()
	must(b.Process.Signal(syscall.SIGINT))
	b.end()
	if status := b.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v", b.ProcessState)
	}
}

// TestCheckUntilOpen: a listener ends the wait, and notices nothing of it.
func TestCheckUntilOpen(t *testing.T) {
	t.Parallel()
	p := newPuppet(t)
	port := freePort(t)
	b := startCheck(t, "127.0.0.1:"+port, "--until", "open", "--wait", "60s")
	if line := b.line(); line != "waiting, 1m0s at most: 127.0.0.1:"+port+"/tcp is closed: nothing listens" {
		t.Errorf("it says %q", line)
	}
	p.do("listen", "0.0.0.0:"+port)
	status, out, complaint := b.end()
	if status != exitFree || !strings.HasPrefix(out, "127.0.0.1:"+port+"/tcp  open  ") || complaint != "" {
		t.Errorf("exit status %d, output %q, then %q", status, out, complaint)
	}
	if queued := acceptQueue(port); queued != 0 {
		t.Errorf("%d connections were made without --connect", queued)
	}
	status, out, _ = runInMemory("check", port, "--until", "open", "--connect")
	if queued := acceptQueue(port); status != exitFree || out != port+"/tcp  open\n" || queued != 1 {
		t.Errorf("with --connect: exit status %d, output %q, %d connections", status, out, queued)
	}
}

// socketsOn are the TCP sockets of a port.
func socketsOn(port string) []netstate.Socket {
	number, err := strconv.ParseUint(port, 10, 16)
	must(err)
	s, err := netstate.Read(context.Background(), netstate.Query{Endpoints: []netstate.Endpoint{{Network: netstate.TCP, Port: uint16(number), LastPort: uint16(number)}}})
	must(err)
	return s.Sockets
}

// hasTimer tells whether the kernel counts down until a socket is gone.
func hasTimer(port string) bool {
	return slices.ContainsFunc(socketsOn(port), func(s netstate.Socket) bool {
		return s.Timer != nil && s.Timer.Kind == netstate.TimerTimeWait
	})
}

// acceptQueue is the number of connections that nobody has accepted.
func acceptQueue(port string) (queued uint32) {
	for _, socket := range socketsOn(port) {
		if socket.State == netstate.StateListen {
			queued += socket.ReceiveQueue
		}
	}
	return queued
}

// TestCheckClosed: what is there instead of a listener is said.
func TestCheckClosed(t *testing.T) {
	t.Parallel()
	p := newPuppet(t)
	port := portOf(p.do("bind", "tcp", "127.0.0.1:0"))
	status, out, _ := runInMemory("check", port, "--until", "open")
	if status != exitBlocked || !strings.HasPrefix(out, port+"/tcp  closed  nothing listens: ") || !strings.Contains(out, "without listening") {
		t.Errorf("bound: exit status %d, output %q", status, out)
	}
	status, out, _ = runInMemory("check", port, "--until", "open", "--connect")
	if status != exitBlocked || out != port+"/tcp  closed  connection refused\n" {
		t.Errorf("connect: exit status %d, output %q", status, out)
	}
	status, out, _ = runInMemory("check", "127.0.0.2:"+port, "--until", "open")
	if status != exitBlocked || out != "127.0.0.2:"+port+"/tcp  closed  nothing listens\n" {
		t.Errorf("another address: exit status %d, output %q", status, out)
	}
}

func init() {
	// A connection in FIN_WAIT2 that nobody has any more, for a second.
	roles["closing soon"] = func([]string) {
		must(netns.LoopbackUp())
		set("net/ipv4/tcp_fin_timeout", "1")
		server, client := &puppet{}, &puppet{}
		address := server.listen([]string{"127.0.0.1:0"})
		client.connect([]string{"-", address})
		server.accept([]string{"0"})
		server.close([]string{"1"})
		server.close([]string{"0"})
		port := portOf(address)
		for !hasTimer(port) { // the other side has to acknowledge first
		}
		status, out, complaint := runInMemory("check", port, "--wait", "60s")
		fmt.Println(strings.ReplaceAll(fmt.Sprintf("%d %q %q", status, out, withoutWarnings(complaint)), port, "PORT"))
	}
}

// TestCheckWaitsForCountdown: a wait for a timer of the kernel says so once and
// ends with it.
func TestCheckWaitsForCountdown(t *testing.T) {
	t.Parallel()
	command := netstatetest.Command("closing soon")
	command.SysProcAttr = netns.New()
	_, line := netstatetest.Run(t, command)
	want := `0 "PORT/tcp  free\n" "waiting, 1m0s at most: PORT/tcp is blocked: taken for 1 more second by a connection that the other side has not closed\n"`
	if line != want {
		t.Errorf("got  %s\nwant %s", line, want)
	}
}

// TestNextLook: how long it sleeps, and for whom.
func TestNextLook(t *testing.T) {
	left := 45 * time.Second
	timeWait := func(s *snapshottest.Snapshot) *snapshottest.Snapshot {
		return s.TCP(netstate.StateTimeWait, "127.0.0.1:5188", "127.0.0.1:45500", snapshottest.TimeLeft(left))
	}
	listener := func(s *snapshottest.Snapshot) *snapshottest.Snapshot {
		return s.Process(4211, "./server").TCP(netstate.StateListen, "0.0.0.0:5188", "", snapshottest.OwnedBy(4211))
	}
	hidden := func(s *snapshottest.Snapshot) *snapshottest.Snapshot {
		return s.TCP(netstate.StateListen, "0.0.0.0:5188", "", snapshottest.Inode(7)).
			Limit(netstate.LimitOwners, "the owner of socket 7", "it belongs to root", 7)
	}
	for name, c := range map[string]struct {
		snapshot *snapshottest.Snapshot
		until    string
		want     pause
	}{
		"TIME_WAIT":                    {timeWait(snapshottest.NewSnapshot()), untilFree, pause{length: left}},
		"listener":                     {listener(snapshottest.NewSnapshot()), untilFree, pause{length: processInterval, pids: []int{4211}}},
		"listener and TIME_WAIT":       {timeWait(listener(snapshottest.NewSnapshot())), untilFree, pause{length: processInterval, pids: []int{4211}}},
		"hidden":                       {hidden(snapshottest.NewSnapshot()), untilFree, pause{length: pollInterval}},
		"listener, wanted by a client": {listener(snapshottest.NewSnapshot()), untilOpen, pause{length: pollInterval}},
	} {
		k := &checkup{checkOptions: &checkOptions{until: c.until}}
		report := diagnose.Why(c.snapshot.Snapshot, diagnose.Question{Network: netstate.TCP, Port: 5188})
		got := k.nextLook([]checked{{report: report}})
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(pause{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
