package echo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"portdoc/netstate/netstatetest"
)

// raceDetector tells whether the tests are built with -race, which makes
// every process several times as large.
var raceDetector bool

func TestMain(m *testing.M) {
	netstatetest.Main(m, netstatetest.Roles{
		"quiet":  func([]string) { serveRole(&Server{Linger: -1, Printer: &Printer{Err: io.Discard}}) },
		"print":  printRole,
		"iocopy": ioCopyRole,
		"hold":   holdRole,
	})
}

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// serveRole is a server whose first line is its address. For each line of its
// standard input it says how many goroutines and sockets it has.
func serveRole(s *Server) {
	listener, err := Listen(context.Background(), loopback, ListenOptions{ReuseAddr: true})
	must(err)
	fmt.Println(listener.Addr())
	go s.Serve(context.Background(), listener)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		fmt.Println(runtime.NumGoroutine(), sockets())
	}
}

// sockets counts the descriptors of this process that are no pipes of the
// pool, which is as full as it has been.
func sockets() (count int) {
	entries, err := os.ReadDir("/proc/self/fd")
	must(err)
	for _, entry := range entries {
		if link, _ := os.Readlink("/proc/self/fd/" + entry.Name()); !strings.HasPrefix(link, "pipe:") {
			count++
		}
	}
	return count
}

// printRole is a server that prints to the file it is given. Errors, which the
// tests make by thousands, go there too.
func printRole(arguments []string) {
	file, err := os.OpenFile(arguments[0], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(err)
	serveRole(&Server{Linger: -1, Printer: &Printer{Out: file, Err: file}})
}

// ioCopyRole is the plainest echo server that can be written in Go.
func ioCopyRole([]string) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	must(err)
	fmt.Println(listener.Addr())
	go func() {
		for {
			conn, err := listener.Accept()
			must(err)
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	netstatetest.UntilInputEnds()
}

// holdRole keeps connections to a server open: arguments are its address and
// how many. It prints a line when they stand.
func holdRole(arguments []string) {
	var number int
	_, err := fmt.Sscan(arguments[1], &number)
	must(err)
	conns := make([]net.Conn, number)
	for i := range conns {
		conns[i], err = net.Dial("tcp", arguments[0])
		must(err)
	}
	fmt.Println("connected")
	netstatetest.UntilInputEnds()
	runtime.KeepAlive(conns)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	conn, err := Dial(context.Background(), address, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// roundTrip sends a text and waits for it to come back.
func roundTrip(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	echo := make([]byte, len(text))
	if _, err := io.ReadFull(conn, echo); err != nil || string(echo) != text {
		t.Fatalf("%q came back as %q, %v", text, echo, err)
	}
}

// memory reads a size in KiB from a process's status (proc_pid_status(5)).
func memory(t testing.TB, pid int, name string) (kib int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(err)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			_, err := fmt.Sscan(value, &kib)
			must(err)
			return kib
		}
	}
	panic(errors.New("no " + name + " in status"))
}
