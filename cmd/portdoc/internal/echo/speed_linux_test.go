package echo

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
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

// With more on the way than its pipes hold, ncat deadlocks with its own child:
// it is measured with up to two blocks only.
const (
	single = 1
	narrow = 2
	wide   = 64
)

var loads = []load{
	{"one connection, 64 KiB on the way", 1, single},
	{"100 connections, 64 KiB on the way", 100, single},
	{"one connection, 128 KiB on the way", 1, narrow},
	{"100 connections, 128 KiB on the way", 100, narrow},
	{"one connection, 4 MiB on the way", 1, wide},
	{"100 connections, 4 MiB on the way", 100, wide},
}

// BenchmarkBesideOthers has servers echo in turns of a second each, so that
// what else the machine does falls on all of them alike. "quiet/X" is how many
// times the throughput of X a quiet server has, by medians, and "print/X" the
// same for one that prints to a file.
//
//	go test ./cmd/portdoc/internal/echo -run '^$' -bench Beside -benchtime 7x
func BenchmarkBesideOthers(b *testing.B) {
	file := filepath.Join(b.TempDir(), "printed")
	must(os.WriteFile(file, nil, 0o600))
	all := startContenders(b, file)
	for _, l := range loads {
		b.Run(l.name, func(b *testing.B) {
			rates := map[string][]float64{}
			for b.Loop() {
				for _, c := range all {
					if l.window <= narrow || c.streams {
						rates[c.name] = append(rates[c.name], throughput(b, c.address, l))
						must(os.Truncate(file, 0))
					}
				}
			}
			b.Logf("MiB/s:\n%s", table(all, rates))
			b.ReportMetric(0, "ns/op")
			for name, other := range rates {
				switch {
				case name == "iocopy", !strings.HasSuffix(name, "tee") && strings.Contains(name, "-"):
					b.ReportMetric(median(rates["quiet"])/median(other), "quiet/"+name)
				case strings.HasSuffix(name, "tee"):
					b.ReportMetric(median(rates["print"])/median(other), "print/"+name)
				}
			}
		})
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

func startContenders(t testing.TB, file string) []contender {
	var all []contender
	for _, role := range []string{"quiet", "iocopy", "print"} {
		_, address := netstatetest.Start(t, role, file)
		all = append(all, contender{role, address, true})
	}
	for _, target := range []string{"EXEC:cat", "PIPE", "EXEC:tee -a " + file} {
		all = append(all, startOther(t, "socat-"+firstWord(target), "listening on", func(port string) []string {
			return []string{"socat", "-d", "-d", "TCP-LISTEN:" + port + ",bind=127.0.0.1,fork,backlog=128", target}
		}))
	}
	for _, command := range []string{"/bin/cat", "/usr/bin/tee -a " + file} {
		all = append(all, startOther(t, "ncat-"+firstWord(command), "Listening on", func(port string) []string {
			return []string{"ncat", "-v", "-4", "-l", "-k", "--max-conns", "200", "--exec", command, "127.0.0.1", port}
		}))
	}
	return all
}

// firstWord is the name of a command line's program.
func firstWord(line string) string {
	word, _, _ := strings.Cut(line, " ")
	return filepath.Base(strings.TrimPrefix(word, "EXEC:"))
}

// startOther starts a server that says on standard error when it listens.
func startOther(t testing.TB, name, ready string, arguments func(port string) []string) contender {
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
func freePort(t testing.TB) string {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// throughput has a load echoed and returns the MiB per second of the whole.
func throughput(t testing.TB, address string, l load) float64 {
	conns := make([]*net.TCPConn, l.connections)
	for i := range conns {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn.(*net.TCPConn)
		roundTrip(t, conn, "ready\n") // fork and exec of the others' children are not measured
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
