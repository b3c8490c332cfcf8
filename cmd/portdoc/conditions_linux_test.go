package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"portdoc/diagnose"
)

// condition is a real situation that has a cause, and one beside it that
// looks alike and has not.
type condition struct {
	cause        diagnose.CauseID
	holds, alike func(t *testing.T) *diagnose.Report
}

// conditions has every cause that this machine can be put into.
var conditions = []condition{
	{"listener", listening, boundElsewhere},
	{"stopped", stopped, listening},
	{"traced", traced, listening},
	{"frozen", frozen, thawed},
	{"bound", bound, boundElsewhere},
	{"connection", orphanConnection, listenerWithConnection},
	{"close-wait", closeWait, listenerWithConnection},
	{"outgoing", outgoing, remotePort},
	{"self-connect", selfConnect, outgoing},
	{"inherited", inheritedBySleep, daemonOfItsOwn},
	{"kernel", vxlanDevice, udpReceiver},
	{"no-process", inFlight, listening},
	{"hidden-owner", ownerOutOfSight, listening},
	{"time-wait", timeWait, closedByClient},
	{"fin-wait", finWait, closedByBoth},
	{"last-ack", lastAck, closedByBoth},
	{"closing", closing, closedByBoth},
	{"stale-socket-file", staleSocketFile, unixListener},
	{"unix-listener", unixListener, staleSocketFile},
	{"path-exists", regularFile, unixListener},
	{"privileged-port", privilegedPort, unprivilegedPort},
	{"address-not-local", foreignAddress, loopbackAddress},
	{"family-unavailable", ipv6Off, ipv6On},
	{"ephemeral-exhausted", rangeExhausted, rangeWithRoom},
	{"dual-stack", dualStack, v6Only},
	{"wildcard-overlap", wildcardOverlap, specificBeside},
}

func TestConditions(t *testing.T) {
	for _, c := range conditions {
		t.Run(string(c.cause), func(t *testing.T) {
			t.Parallel()
			report := c.holds(t)
			if !slices.Contains(causes(report), c.cause) {
				t.Errorf("causes %q lack %q\n%s", causes(report), c.cause, indented(report))
			}
			if report.Verdict == diagnose.Free {
				t.Errorf("verdict %q while %q holds", report.Verdict, c.cause)
			}
		})
		t.Run(string(c.cause)+"/look-alike", func(t *testing.T) {
			t.Parallel()
			if report := c.alike(t); slices.Contains(causes(report), c.cause) {
				t.Errorf("causes %q have %q\n%s", causes(report), c.cause, indented(report))
			}
		})
	}
}

// why runs the command in this process and returns its report.
func why(t testing.TB, arguments ...string) *diagnose.Report {
	t.Helper()
	status, out, complaint := runInMemory(append([]string{"why", "--json"}, arguments...)...)
	report := new(diagnose.Report)
	if err := json.Unmarshal([]byte(out), report); err != nil {
		t.Fatalf("why %q: %v, status %d, output %q, errors %q", arguments, err, status, out, complaint)
	}
	return report
}

func causes(report *diagnose.Report) (ids []diagnose.CauseID) {
	for _, c := range report.Causes {
		ids = append(ids, c.ID)
	}
	return ids
}

func indented(report *diagnose.Report) string {
	text, err := json.MarshalIndent(report, "", "  ")
	must(err)
	return string(text)
}

func listening(t *testing.T) *diagnose.Report {
	return why(t, portOf(newPuppet(t).do("listen", "127.0.0.1:0")))
}

// boundElsewhere asks about 127.0.0.1 while another loopback address is taken.
func boundElsewhere(t *testing.T) *diagnose.Report {
	p := newPuppet(t)
	port := portOf(p.do("listen", "127.0.0.2:0"))
	p.do("bind", "tcp", "127.0.0.3:"+port)
	return why(t, "127.0.0.1:"+port)
}

func stopped(t *testing.T) *diagnose.Report {
	p := newPuppet(t)
	port := portOf(p.do("listen", "0.0.0.0:0", "reuseaddr"))
	p.signal(syscall.SIGSTOP)
	return why(t, port)
}

func traced(t *testing.T) *diagnose.Report {
	p, debugger := newPuppet(t), newPuppet(t)
	port := portOf(p.do("listen", "127.0.0.1:0"))
	debugger.do("trace", strconv.Itoa(p.pid()))
	return why(t, port)
}

func bound(t *testing.T) *diagnose.Report {
	return why(t, portOf(newPuppet(t).do("bind", "tcp", "127.0.0.1:0")))
}

// pair makes a server with one connection from a client and returns their
// puppets and the server's port. The server has the listener as socket 0 and
// the connection as socket 1, the client the connection as socket 0.
func pair(t *testing.T) (server, client handle, port string) {
	t.Helper()
	server, client = newPuppet(t), newPuppet(t)
	address := server.do("listen", "127.0.0.1:0", "reuseaddr")
	client.do("connect", "-", address)
	server.do("accept", "0")
	return server, client, portOf(address)
}

func listenerWithConnection(t *testing.T) *diagnose.Report {
	_, client, port := pair(t)
	client.do("close", "0")
	return why(t, port)
}

func orphanConnection(t *testing.T) *diagnose.Report {
	server, _, port := pair(t)
	server.do("close", "0")
	return why(t, port)
}

func closeWait(t *testing.T) *diagnose.Report {
	server, client, port := pair(t)
	server.do("close", "0")
	client.do("close", "0")
	return why(t, port)
}

func outgoing(t *testing.T) *diagnose.Report {
	server, client := newPuppet(t), newPuppet(t)
	address := server.do("listen", "127.0.0.1:0")
	return why(t, portOf(client.do("connect", "-", address)))
}

// remotePort asks about a port that only a client's remote end has.
func remotePort(t *testing.T) *diagnose.Report {
	server, client := newPuppet(t), newPuppet(t)
	address := server.do("listen", "127.0.0.2:0")
	client.do("connect", "-", address)
	return why(t, "127.0.0.1:"+portOf(address))
}

func selfConnect(t *testing.T) *diagnose.Report {
	p := newPuppet(t)
	address := p.do("bind", "tcp", "127.0.0.1:0")
	p.do("close", "0")
	p.do("connect", address, address)
	return why(t, portOf(address))
}

func inheritedBySleep(t *testing.T) *diagnose.Report {
	p := newPuppet(t)
	address := p.do("listen", "127.0.0.1:0")
	heir := endLater(t, p.do("spawn", "0", "sleep", "600"))
	p.CloseInput()
	report := why(t, portOf(address))
	if pids := report.Causes[0].PIDs; !slices.Equal(pids, []int{heir}) {
		t.Errorf("pids %v, want the heir %d", pids, heir)
	}
	return report
}

// daemonOfItsOwn is an orphan that opened its socket itself.
func daemonOfItsOwn(t *testing.T) *diagnose.Report {
	p := newPuppet(t)
	pid, address, _ := strings.Cut(p.do("serve", "127.0.0.1:0"), " ")
	endLater(t, pid)
	p.CloseInput()
	return why(t, portOf(address))
}

func udpReceiver(t *testing.T) *diagnose.Report {
	return why(t, portOf(newPuppet(t).do("bind", "udp", "127.0.0.1:0"))+"/udp")
}

func inFlight(t *testing.T) *diagnose.Report {
	p := newPuppet(t)
	port := portOf(p.do("listen", "127.0.0.1:0"))
	p.do("in-queue", "0")
	return why(t, port)
}

func timeWait(t *testing.T) *diagnose.Report {
	server, client, port := pair(t)
	server.do("close", "1")
	client.do("close", "0")
	server.do("close", "0")
	return why(t, port)
}

func closedByClient(t *testing.T) *diagnose.Report {
	server, client, port := pair(t)
	client.do("close", "0")
	server.do("close", "1")
	server.do("close", "0")
	return why(t, port)
}

func finWait(t *testing.T) *diagnose.Report {
	server, client, port := pair(t)
	server.do("close", "1")
	server.do("close", "0")
	report := why(t, port)
	if peer := fmt.Sprintf("pid %d", client.pid()); !strings.Contains(report.Causes[0].Detail, peer) {
		t.Errorf("%q does not name the peer, %s", report.Causes[0].Detail, peer)
	}
	return report
}

func closedByBoth(t *testing.T) *diagnose.Report { return timeWait(t) }

func staleSocketFile(t *testing.T) *diagnose.Report {
	path := filepath.Join(t.TempDir(), "s")
	p := newPuppet(t)
	p.do("unix", path)
	p.do("close", "0")
	return why(t, path)
}

func unixListener(t *testing.T) *diagnose.Report {
	path := filepath.Join(t.TempDir(), "s")
	newPuppet(t).do("unix", path)
	return why(t, path)
}

func regularFile(t *testing.T) *diagnose.Report {
	path := filepath.Join(t.TempDir(), "s")
	must(os.WriteFile(path, nil, 0o600))
	return why(t, path)
}

func foreignAddress(t *testing.T) *diagnose.Report {
	return why(t, "198.51.100.7:"+freePort(t))
}

func loopbackAddress(t *testing.T) *diagnose.Report {
	return why(t, "127.0.0.9:"+freePort(t))
}

// freePort returns a port that was free a moment ago.
func freePort(t testing.TB) string {
	p := newPuppet(t)
	port := portOf(p.do("bind", "tcp", "127.0.0.1:0"))
	p.do("close", "0")
	return port
}

func dualStack(t *testing.T) *diagnose.Report {
	return why(t, "127.0.0.1:"+portOf(newPuppet(t).do("listen", "[::]:0")))
}

func v6Only(t *testing.T) *diagnose.Report {
	return why(t, "127.0.0.1:"+portOf(newPuppet(t).do("listen", "[::]:0", "v6only")))
}

func wildcardOverlap(t *testing.T) *diagnose.Report {
	return why(t, "0.0.0.0:"+portOf(newPuppet(t).do("listen", "127.0.0.1:0")))
}

func specificBeside(t *testing.T) *diagnose.Report {
	return why(t, "127.0.0.1:"+portOf(newPuppet(t).do("listen", "127.0.0.2:0")))
}
