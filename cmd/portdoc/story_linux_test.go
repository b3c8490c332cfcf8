package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"portdoc/netstate"
)

var waitTimeWait = flag.Bool("timewait", false, "wait until TIME_WAIT is over, which takes a minute")

// states reads the states of the sockets at local that are connected to remote
// or to nobody, sorted. Other tests' sockets may have had the same port.
func states(t testing.TB, local, remote netip.AddrPort) []netstate.State {
	t.Helper()
	s, err := netstate.Read(context.Background(), netstate.Query{Endpoints: []netstate.Endpoint{
		{Network: netstate.TCP, Port: local.Port(), LastPort: local.Port()}}})
	must(err)
	var states []netstate.State
	for _, socket := range s.Sockets {
		if socket.Local == local && (socket.Remote == remote || !socket.Remote.IsValid()) {
			states = append(states, socket.State)
		}
	}
	slices.Sort(states)
	return states
}

// until reads the states again and again until they are those wanted: what
// other processes did takes effect within microseconds.
func until(t testing.TB, local, remote netip.AddrPort, want ...netstate.State) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		got := states(t, local, remote)
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the states of %s to %s are %v, want %v", local, remote, got, want)
		}
	}
}

// TestServerFirstAtOnce: the default client is told while it waits for input.
func TestServerFirstAtOnce(t *testing.T) {
	t.Parallel()
	server, address := serve(t)
	c, local := client(t, address)
	server.accepts(local)
	c.echoes("hello")
	server.wants("hello")
	server.signal(syscall.SIGINT)
	c.wants("portdoc: the server has closed the connection")
	if got := c.status(); got != "exit status 1" {
		t.Error(got)
	}
	if got := server.status(); got != "signal: interrupt" {
		t.Errorf("Ctrl+C ends the server with %s", got)
	}
}

// TestServerFirstOnWrite: the other client's first write after the end
// succeeds, and the one after that is told.
func TestServerFirstOnWrite(t *testing.T) {
	t.Parallel()
	server, text := serve(t)
	address := netip.MustParseAddrPort(text)
	c, local := client(t, text, "--notice=on-write")
	server.accepts(local)
	c.echoes("hello")
	server.signal(syscall.SIGINT)
	server.status()
	until(t, local, address, netstate.StateCloseWait)
	c.Tell(t, "one")
	until(t, local, address) // the answer was RST
	c.Tell(t, "two")
	if line := c.Line(t); !strings.HasPrefix(line, "portdoc: the server has closed the connection: ") || !strings.HasSuffix(line, "broken pipe") {
		t.Errorf("the client says %q", line)
	}
	if got := c.status(); got != "exit status 1" {
		t.Error(got)
	}
}

// TestClientFirst: the two mistaken loops spin on a client that has closed,
// and the right one ends.
func TestClientFirst(t *testing.T) {
	t.Parallel()
	for _, bug := range []string{"ignore", "errors-only"} {
		server, address := serve(t, "--on-eof="+bug, "--max-spins=5000")
		c, local := client(t, address, "--notice=on-write")
		server.accepts(local)
		c.echoes("hello")
		server.wants("hello")
		c.Kill()
		server.wants("%s: a read brought nothing, and --on-eof=%s reads again", local, bug)
		spun := server.Line(t)
		if !strings.HasPrefix(spun, local.String()+": 5000 reads in a row brought nothing, in ") ||
			!strings.HasSuffix(spun, ": the loop spins until --max-spins ends it") {
			t.Errorf("%s: %q", bug, spun)
		}
		server.wants("%s closed (a read returned 0 bytes)", local)
	}
}

// TestErrorsOnlyTakesErrors: a reset is an error, which that loop does see.
func TestErrorsOnlyTakesErrors(t *testing.T) {
	t.Parallel()
	server, address := serve(t, "--on-eof=errors-only")
	rude := dial(t, address)
	server.accepts(localOf(rude))
	rude.SetLinger(0)
	rude.Close()
	server.wants("%s lost (a read failed: connection reset by peer, ECONNRESET)", localOf(rude))
}

// leftover ends a server with Ctrl+C while a client is connected that closes
// when the server does, and returns the addresses of both. Their sockets are
// gone, but for TIME_WAIT.
func leftover(t *testing.T, flags ...string) (address, local netip.AddrPort) {
	t.Helper()
	server, text := serve(t, flags...)
	address = netip.MustParseAddrPort(text)
	c, local := client(t, text)
	server.accepts(local)
	c.echoes("hello")
	server.signal(syscall.SIGINT)
	server.status()
	c.status()
	return address, local
}

// restart starts a server on an address and returns its first line.
func restart(t *testing.T, address netip.AddrPort, flags ...string) (program, string) {
	t.Helper()
	return begin(t, append([]string{"serve", "--addr", address.String()}, flags...)...)
}

// TestRestartWithout: TIME_WAIT of a server without SO_REUSEADDR is in the
// way, also of a new server that has it.
func TestRestartWithout(t *testing.T) {
	t.Parallel()
	address, local := leftover(t, "--reuseaddr=false")
	begun := time.Now()
	until(t, address, local, netstate.StateTimeWait)
	for _, flags := range [][]string{{"--reuseaddr=false"}, {"--reuseaddr=true"}} {
		server, line := restart(t, address, flags...)
		if !strings.HasSuffix(line, "bind: address already in use") {
			t.Errorf("restart %v: %q", flags, line)
		}
		if text := server.Rest(t); !strings.Contains(text, "TIME_WAIT") {
			t.Errorf("restart %v: the diagnosis is\n%s", flags, text)
		}
	}
	if !*waitTimeWait {
		return
	}
	for len(states(t, address, local)) > 0 {
		<-time.After(100 * time.Millisecond)
	}
	// TCP_TIMEWAIT_LEN is 60 s. A timer that far away fires up to 4 s late
	// (kernel/time/timer.c, granularity of the wheel's levels).
	if waited := time.Since(begun); waited < 59*time.Second || waited > 65*time.Second {
		t.Errorf("TIME_WAIT took %v", waited)
	}
	if _, line := restart(t, address, "--reuseaddr=false"); line != "listening on "+address.String() {
		t.Errorf("when it is over: %q", line)
	}
}

// TestRestartWith: with SO_REUSEADDR on both sockets TIME_WAIT is not in the
// way.
func TestRestartWith(t *testing.T) {
	t.Parallel()
	address, local := leftover(t)
	until(t, address, local, netstate.StateTimeWait)
	if _, line := restart(t, address); line != "listening on "+address.String() {
		t.Errorf("the restart: %q", line)
	}
	until(t, address, local, netstate.StateListen, netstate.StateTimeWait)
}

// TestLingerZero: a close with RST leaves nothing.
func TestLingerZero(t *testing.T) {
	t.Parallel()
	server, text := serve(t, "--linger=0", "--reuseaddr=false")
	address := netip.MustParseAddrPort(text)
	c, local := client(t, text)
	server.accepts(local)
	c.echoes("hello")
	server.signal(syscall.SIGINT)
	server.status()
	if line := c.Line(t); !strings.HasSuffix(line, "connection reset by peer") {
		t.Errorf("the client says %q", line)
	}
	until(t, address, local)
	if _, line := restart(t, address, "--reuseaddr=false"); line != "listening on "+address.String() {
		t.Errorf("the restart: %q", line)
	}
}

// TestFinWait2: while the client stays, the side that closed waits for it.
func TestFinWait2(t *testing.T) {
	t.Parallel()
	server, text := serve(t, "--reuseaddr=false")
	address := netip.MustParseAddrPort(text)
	c, local := client(t, text, "--notice=on-write")
	server.accepts(local)
	c.echoes("hello")
	server.signal(syscall.SIGINT)
	server.status()
	until(t, address, local, netstate.StateFinWait2)
	until(t, local, address, netstate.StateCloseWait)
	if _, line := restart(t, address, "--reuseaddr=false"); !strings.HasSuffix(line, "bind: address already in use") {
		t.Errorf("the restart: %q", line)
	}
}

// TestServeCtrlZ: in a terminal Ctrl+Z stops the server, which keeps LISTEN
// and ESTABLISHED, also after SIGTERM, until it goes on. What clients send is
// shown without control characters.
func TestServeCtrlZ(t *testing.T) {
	t.Parallel()
	terminal := newTerminal(t)
	path, err := exec.LookPath("portdoc")
	must(err)
	terminal.typed(path + " serve --addr 127.0.0.1:0\n")
	text := strings.TrimSpace(terminal.until("listening on ", "\n"))
	address, conn := netip.MustParseAddrPort(text), dial(t, text)
	bounces(t, conn, "\x1b[2J\ahello \xff\u202e")
	terminal.until(`\x1b[2J\x07hello \xff\u202e`)
	server := holderOf(t, address.Port())

	terminal.typed("\x1a")
	terminal.until("Stopped", "$ ")
	must(syscall.Kill(server, syscall.SIGTERM))
	if _, err := io.WriteString(conn, "anybody there?\n"); err != nil {
		t.Error(err)
	}
	until(t, address, localOf(conn), netstate.StateEstablished, netstate.StateListen)
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", server))
	if err != nil || !strings.Contains(string(stat), ") T ") {
		t.Errorf("the server is not stopped: %s %v", stat, err)
	}

	terminal.typed("fg\n")
	terminal.until("Terminated")
	io.Copy(io.Discard, conn) // FIN, or RST if it has not read the last line
}

// holderOf is the process that has a port's sockets.
func holderOf(t *testing.T, port uint16) int {
	t.Helper()
	return int(why(t, strconv.Itoa(int(port))).Processes[0].PID)
}
