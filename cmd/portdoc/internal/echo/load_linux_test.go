package echo

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

var (
	manyClients = flag.Int("clients", 10_000, "how many `clients` are held, and how many end abruptly")
	lineBytes   = flag.Int64("line", 256<<20, "length in `bytes` of a line without an end")
)

// servers are the two ways in which bytes are echoed, as processes.
func servers(t *testing.T, test func(t *testing.T, server *netstatetest.Process, address string)) {
	for _, role := range []string{"quiet", "print"} {
		t.Run(role, func(t *testing.T) {
			server, address := netstatetest.Start(t, role, os.DevNull)
			test(t, server, address)
		})
	}
}

// TestIdleClients: ten thousand idle clients fit into 100 MiB.
func TestIdleClients(t *testing.T) {
	servers(t, func(t *testing.T, server *netstatetest.Process, address string) {
		needDescriptors(t, *manyClients+100)
		for range *manyClients {
			// Each has been served once and waits again.
			roundTrip(t, dial(t, address), "hello\n")
		}
		used := memory(t, server.Process.Pid, "VmRSS")
		t.Logf("%d clients, %d KiB resident, %.1f KiB each", *manyClients, used, float64(used)/float64(*manyClients))
		if used > 100<<10 && !raceDetector {
			t.Errorf("%d KiB are resident, want at most 100 MiB", used)
		}
	})
}

func needDescriptors(t *testing.T, number int) {
	var limit unix.Rlimit
	must(unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	if limit.Cur < uint64(number) {
		t.Skipf("%d descriptors are needed, and this process may have %d: -clients takes fewer", number, limit.Cur)
	}
}

// TestNeverReads: a client that sends and never reads makes only its own
// connection wait, and memory does not grow.
func TestNeverReads(t *testing.T) {
	servers(t, func(t *testing.T, server *netstatetest.Process, address string) {
		sent := fillUp(t, dial(t, address))
		other := dial(t, address)
		text := string(bytes.Repeat([]byte("0123456789abcde\n"), 64))
		for range 1000 {
			roundTrip(t, other, text)
		}
		peak := memory(t, server.Process.Pid, "VmHWM")
		t.Logf("%d KiB sent and never read, peak %d KiB", sent>>10, peak)
		if peak > 64<<10 && !raceDetector {
			t.Errorf("the peak is %d KiB, want less than 64 MiB", peak)
		}
	})
}

// fillUp sends until the server has taken nothing for a quarter of a second.
func fillUp(t *testing.T, conn *net.TCPConn) int {
	t.Helper()
	raw, err := conn.SyscallConn()
	must(err)
	chunk := make([]byte, 64<<10)
	sent := 0
	must(raw.Control(func(fd uintptr) {
		for {
			n, err := unix.Write(int(fd), chunk)
			if err == nil {
				sent += n
				continue
			}
			if err != unix.EAGAIN {
				t.Fatal(err)
			}
			writable := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			if ready, err := unix.Poll(writable, 250); err == nil && ready == 0 {
				return
			}
		}
	}))
	return sent
}

// TestEndlessLine: a line is echoed as it comes, however long it is.
func TestEndlessLine(t *testing.T) {
	servers(t, func(t *testing.T, server *netstatetest.Process, address string) {
		conn := dial(t, address)
		sent := make(chan error, 1)
		go func() {
			_, err := io.CopyN(conn, rand.NewChaCha8([32]byte{}), *lineBytes)
			conn.CloseWrite()
			sent <- err
		}()
		want := rand.NewChaCha8([32]byte{})
		got, expected := make([]byte, 64<<10), make([]byte, 64<<10)
		total := int64(0)
		for {
			n, err := io.ReadFull(conn, got)
			want.Read(expected)
			if !bytes.Equal(got[:n], expected[:n]) {
				t.Fatalf("the echo differs after %d bytes", total)
			}
			total += int64(n)
			if err != nil {
				break
			}
		}
		if err := <-sent; err != nil || total != *lineBytes {
			t.Errorf("%d of %d bytes came back, %v", total, *lineBytes, err)
		}
		if peak := memory(t, server.Process.Pid, "VmHWM"); peak > 64<<10 && !raceDetector {
			t.Errorf("the peak is %d KiB, want less than 64 MiB", peak)
		}
	})
}

// TestAbruptEnds: however clients end, the server keeps nothing of them.
func TestAbruptEnds(t *testing.T) {
	servers(t, func(t *testing.T, server *netstatetest.Process, address string) {
		before := usage(t, server)
		killed := *manyClients / 10
		var left atomic.Int64
		left.Store(int64(*manyClients - killed))
		done := make(chan bool)
		const workers = 8
		for range workers {
			go func() {
				for left.Add(-1) >= 0 {
					abruptEnd(address)
				}
				done <- true
			}()
		}
		for range 10 {
			process, _ := netstatetest.Start(t, "hold", address, strconv.Itoa(killed/10))
			process.Kill()
		}
		for range workers {
			<-done
		}
		after := usage(t, server)
		for round := 0; after != before && round < 10_000; round++ {
			after = usage(t, server) // the last ends are on their way
		}
		if after != before {
			t.Errorf("goroutines and descriptors: %v before, %v after", before, after)
		}
	})
}

// abruptEnd connects and ends in a way drawn by lot.
func abruptEnd(address string) {
	conn, err := Dial(context.Background(), address, 0)
	must(err)
	defer conn.Close()
	if rand.IntN(2) == 0 {
		conn.Write(make([]byte, rand.IntN(100_000)))
	}
	switch rand.IntN(3) {
	case 0:
		conn.SetLinger(0)
	case 1:
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
	}
}

// resources are what a server has. The pipes that it keeps for later clients
// are not counted.
type resources struct{ goroutines, descriptors int }

func usage(t *testing.T, server *netstatetest.Process) resources {
	t.Helper()
	server.Tell(t, "count")
	var r resources
	_, err := fmt.Sscan(server.Line(t), &r.goroutines, &r.descriptors)
	must(err)
	return r
}

// TestFewDescriptors: at the limit of descriptors a client that has none for
// a pipe is echoed through a buffer, the next one waits, and both are served.
func TestFewDescriptors(t *testing.T) {
	server, address := netstatetest.Start(t, "quiet")
	must(unix.Prlimit(server.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 10, Max: 10}, nil))
	var conns []*net.TCPConn
	for range 12 {
		conns = append(conns, dial(t, address))
	}
	for _, conn := range conns {
		roundTrip(t, conn, "hello\n")
		conn.Close()
	}
}

// TestPrintedFile: what is printed to a file is what was sent, line by line.
func TestPrintedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "printed")
	_, address := netstatetest.Start(t, "print", path)
	const clients, lines = 20, 500
	done := make(chan bool)
	for i := range clients {
		conn := dial(t, address)
		go func() {
			for range lines {
				fmt.Fprintf(conn, "client %d says ", i)
				runtime.Gosched() // half lines meet others in between
				fmt.Fprintf(conn, "hello %d\n", i)
			}
			conn.CloseWrite()
			io.Copy(io.Discard, conn)
			done <- true
		}()
	}
	for range clients {
		<-done
	}
	text, err := os.ReadFile(path)
	must(err)
	for i := range clients {
		line := fmt.Sprintf("\nclient %d says hello %d\n", i, i)
		whole := bytes.ReplaceAll(text, []byte("\n"), []byte("\n\n"))
		if got := bytes.Count(whole, []byte(line)); got != lines {
			t.Errorf("%d lines of client %d are whole, want %d", got, i, lines)
		}
	}
}
