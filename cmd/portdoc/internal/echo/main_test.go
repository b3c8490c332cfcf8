package echo

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"portdoc/netstate/netstatetest"
)

func TestMain(m *testing.M) {
	netstatetest.Main(m, netstatetest.Roles{
		"quiet":  func([]string) { serveRole(&Server{Linger: -1, Printer: &Printer{Err: os.Stderr}}) },
		"print":  printRole,
		"iocopy": ioCopyRole,
		"hold":   holdRole,
	})
}

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// serveRole is a server whose first line is its address. For each line of its
// standard input it says how many goroutines and descriptors it has.
func serveRole(s *Server) {
	listener, err := Listen(context.Background(), loopback, ListenOptions{ReuseAddr: true})
	must(err)
	fmt.Println(listener.Addr())
	go s.Serve(context.Background(), listener)
	report()
}

// report answers each line on standard input until it ends.
func report() {
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		entries, err := os.ReadDir("/proc/self/fd")
		must(err)
		fmt.Println(runtime.NumGoroutine(), len(entries))
	}
}

// printRole is a server that prints to a file.
func printRole(arguments []string) {
	file, err := os.Create(arguments[0])
	must(err)
	serveRole(&Server{Linger: -1, Printer: &Printer{Out: file, Err: os.Stderr}})
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
				ioCopy(conn)
			}()
		}
	}()
	report()
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
