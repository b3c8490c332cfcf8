package echo

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

var speedRounds = flag.Int("speed", 0, "measure echo throughput beside other servers, in this many `rounds`")

func ioCopy(conn net.Conn) { io.Copy(conn, conn) }

// contender is an echo server whose throughput is measured.
type contender struct {
	name    string
	address string
	// streams is false for a server that deadlocks with its own child when
	// more is on its way than their pipes hold.
	streams bool
}

// load is what the servers are measured with: for a time, blocks of 64 KiB on
// each of some connections, and how many of them may be on their way.
type load struct {
	name                string
	connections, window int
}

// With more than its pipes hold on the way, ncat deadlocks with its own child:
// it is measured with two blocks only.
const (
	narrow = 2
	wide   = 64
)

var loads = []load{
	{"one connection, 128 KiB on the way", 1, narrow},
	{"100 connections, 128 KiB on the way", 100, narrow},
	{"one connection, 4 MiB on the way", 1, wide},
	{"100 connections, 4 MiB on the way", 100, wide},
}

// TestSpeed compares servers in turns, so that what else the machine does
// falls on all of them alike, and prints medians.
func TestSpeed(t *testing.T) {
	if *speedRounds == 0 {
		t.Skip("takes minutes: asked for with -speed ROUNDS")
	}
	all := startContenders(t)
	for _, l := range loads {
		t.Run(l.name, func(t *testing.T) {
			rates := map[string][]float64{}
			for range *speedRounds {
				for _, c := range all {
					if l.window == narrow || c.streams {
						rates[c.name] = append(rates[c.name], throughput(t, c.address, l))
					}
				}
			}
			t.Logf("\n%s", table(all, rates))
			checkSpeed(t, rates)
		})
	}
}

// checkSpeed holds the medians against what is promised.
func checkSpeed(t *testing.T, rates map[string][]float64) {
	quiet := median(rates["quiet"])
	if bare := median(rates["iocopy"]); quiet < 0.9*bare {
		t.Errorf("quiet has %.2f of the throughput of a bare io.Copy", quiet/bare)
	}
	for name, other := range rates {
		printing := strings.HasSuffix(name, "tee")
		switch ratio := median(rates["print"]) / median(other); {
		case !strings.HasPrefix(name, "socat") && !strings.HasPrefix(name, "ncat"):
		case printing && ratio < 2:
			t.Errorf("printing has %.1f times the throughput of %s, want 2", ratio, name)
		case !printing && quiet < 5*median(other):
			t.Errorf("quiet has %.1f times the throughput of %s, want 5", quiet/median(other), name)
		}
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func table(contenders []contender, rates map[string][]float64) string {
	var text strings.Builder
	for _, c := range contenders {
		r := rates[c.name]
		if len(r) == 0 {
			continue
		}
		fmt.Fprintf(&text, "%-18s %6.0f MiB/s (%.0f to %.0f), quiet is %.2f times and printing %.2f times that\n",
			c.name, median(r), slices.Min(r), slices.Max(r), median(rates["quiet"])/median(r), median(rates["print"])/median(r))
	}
	return text.String()
}

func startContenders(t *testing.T) []contender {
	var all []contender
	for _, role := range []string{"quiet", "iocopy", "print"} {
		_, address := netstatetest.Start(t, role, filepath.Join(t.TempDir(), "printed"))
		all = append(all, contender{role, address, true})
	}
	file := filepath.Join(t.TempDir(), "teed")
	for _, target := range []string{"EXEC:cat", "PIPE", "EXEC:tee " + file} {
		all = append(all, startOther(t, "socat "+firstWord(target), "listening on", func(port string) []string {
			return []string{"socat", "-d", "-d", "TCP-LISTEN:" + port + ",bind=127.0.0.1,fork,backlog=128", target}
		}))
	}
	for _, command := range []string{"/bin/cat", "/usr/bin/tee " + file} {
		all = append(all, startOther(t, "ncat "+firstWord(command), "Listening on", func(port string) []string {
			return []string{"ncat", "-v", "-4", "-l", "-k", "--max-conns", "200", "--exec", command, "127.0.0.1", port}
		}))
	}
	return all
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

// startOther starts a server that says on standard error when it listens.
func startOther(t *testing.T, name, ready string, arguments func(port string) []string) contender {
	port := freePort(t)
	line := arguments(port)
	path, err := exec.LookPath(line[0])
	if err != nil {
		t.Skipf("%s is not installed: %v", line[0], err)
	}
	command := exec.Command(path, line[1:]...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	lines := bufio.NewScanner(output)
	for lines.Scan() && !strings.Contains(lines.Text(), ready) {
	}
	go io.Copy(io.Discard, output)
	return contender{name, "127.0.0.1:" + port, !strings.HasPrefix(name, "ncat")}
}

// freePort returns a port that was free a moment ago, for programs that can't
// say which one they chose. This network namespace is the test's own.
func freePort(t *testing.T) string {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// throughput has a load echoed and returns the MiB per second of the whole.
func throughput(t *testing.T, address string, l load) float64 {
	conns := make([]*net.TCPConn, l.connections)
	for i := range conns {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn.(*net.TCPConn)
		roundTrip(t, conn) // fork and exec of the others' children are not measured
	}
	received := make(chan int)
	begin := time.Now()
	for _, conn := range conns {
		conn.SetDeadline(begin.Add(time.Second))
		go func() { received <- l.exchange(conn) }()
	}
	total := 0
	for range conns {
		total += <-received
	}
	return float64(total) / (1 << 20) / time.Since(begin).Seconds()
}

func roundTrip(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "ready\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
}

// textFile is a file in memory with blocks of text in lines of 64 bytes. It is
// sent with sendfile(2) and what comes back is dropped in the kernel, so that
// the servers are measured and not this process.
var textFile = sync.OnceValue(func() int {
	fd, err := unix.MemfdCreate("text", unix.MFD_CLOEXEC)
	must(err)
	_, err = unix.Write(fd, bytes.Repeat([]byte(strings.Repeat("x", 63)+"\n"), blockBytes/64))
	must(err)
	return fd
})

const blockBytes = 64 << 10

// exchange sends until the connection's deadline, and returns how many bytes
// have come back.
func (l load) exchange(conn *net.TCPConn) int {
	raw, err := conn.SyscallConn()
	must(err)
	window := make(chan struct{}, l.window)
	go l.write(raw, window)
	total := 0
	for {
		n := dropBytes(raw)
		if n <= 0 {
			return total
		}
		for range (total+n)/blockBytes - total/blockBytes {
			<-window
		}
		total += n
	}
}

// dropBytes drops what was received: MSG_TRUNC copies nothing (tcp(7)).
func dropBytes(raw syscall.RawConn) (n int) {
	var errno syscall.Errno
	err := raw.Read(func(fd uintptr) bool {
		var r uintptr
		r, _, errno = unix.Syscall6(unix.SYS_RECVFROM, fd, 0, blockBytes, unix.MSG_TRUNC, 0, 0)
		n = int(r)
		return errno != unix.EAGAIN
	})
	if err != nil || errno != 0 {
		return 0
	}
	return n
}

func (l load) write(raw syscall.RawConn, window chan<- struct{}) {
	for deadline := time.After(time.Second); ; {
		select {
		case window <- struct{}{}:
		case <-deadline:
			return
		}
		if !sendBlock(raw) {
			return
		}
	}
}

func sendBlock(raw syscall.RawConn) bool {
	var failed error
	offset := int64(0)
	err := raw.Write(func(fd uintptr) bool {
		for offset < blockBytes && failed == nil {
			_, failed = unix.Sendfile(int(fd), textFile(), &offset, blockBytes-int(offset))
		}
		if failed == unix.EAGAIN {
			failed = nil
			return false
		}
		return true
	})
	return err == nil && failed == nil
}
