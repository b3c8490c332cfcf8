package main

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"testing"

	"portdoc/diagnose"
	"portdoc/netstate/netstatetest"
)

func init() { roles["storm"] = storm }

// storm listens, and makes connections and processes come and go on its port
// as fast as it can.
func storm([]string) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	must(err)
	file, err := listener.(*net.TCPListener).File()
	must(err)
	fmt.Println(listener.Addr())
	go func() {
		for {
			server, err := listener.Accept()
			must(err)
			go func() {
				server.Read(make([]byte, 1)) // a byte, or the end
				server.Close()
			}()
		}
	}()
	go func() {
		for {
			child := exec.Command("true")
			child.Stdin = file // one more owner of the listener, for a moment
			must(child.Run())
		}
	}()
	go connect(listener.Addr().String())
	netstatetest.UntilInputEnds()
}

// connect opens and ends connections: most by a reset, which leaves nothing.
// In every 1,024th it lets the server close first, which leaves TIME_WAIT there
// and no port of a client taken for the tests beside this one.
func connect(address string) {
	for i := 0; ; i++ {
		connection, err := net.Dial("tcp4", address)
		if err != nil {
			continue
		}
		if i%1024 == 0 {
			connection.Write([]byte{0})
			io.Copy(io.Discard, connection)
		} else {
			connection.(*net.TCPConn).SetLinger(0)
		}
		connection.Close()
	}
}

func TestChurn(t *testing.T) {
	_, address := netstatetest.Start(t, "storm")
	port := portOf(address)
	for run := range 1000 {
		report := why(t, port)
		if report.Verdict != diagnose.Blocked {
			t.Fatalf("run %d: verdict %q while a listener stands:\n%s", run, report.Verdict, indented(report))
		}
	}
	for run := range 100 {
		if report := why(t, "--no-probe", port); report.Verdict == diagnose.Free {
			t.Fatalf("run %d without a probe: free while a listener stands:\n%s", run, indented(report))
		}
	}
}
