package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"portdoc/netstate"
)

var copyBytes = flag.Int64("copy", 64<<20, "size in `bytes` of the largest file that the client copies")

// TestClientCopies: what comes out is what went in, byte by byte.
func TestClientCopies(t *testing.T) {
	t.Parallel()
	quiet, _ := serveQuiet(t)
	for _, size := range []int64{0, 1, 64<<10 + 1, *copyBytes} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { copyFile(t, quiet, size) })
	}
}

func copyFile(t *testing.T, address string, size int64) {
	path := filepath.Join(t.TempDir(), "file")
	want := randomFile(t, path, size)
	file, err := os.Open(path)
	must(err)
	defer file.Close()
	sum := sha256.New()
	var complaint bytes.Buffer
	command := exec.Command("portdoc", "client", address)
	command.Stdin, command.Stdout, command.Stderr = file, sum, &complaint
	if err := command.Run(); err != nil {
		t.Fatalf("%v: %s", err, &complaint)
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)); got != want {
		t.Errorf("%d bytes came back changed", size)
	}
}

// randomFile writes a file that is the same every time and returns its sum.
func randomFile(t *testing.T, path string, size int64) string {
	t.Helper()
	file, err := os.Create(path)
	must(err)
	defer file.Close()
	sum := sha256.New()
	_, err = io.CopyN(io.MultiWriter(file, sum), rand.NewChaCha8([32]byte{}), size)
	must(err)
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// TestClientShort: an echo that ends before all has come back is a failure.
func TestClientShort(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		must(err)
		io.Copy(io.Discard, conn)
		io.WriteString(conn, "12345")
		conn.Close()
	}()
	command := exec.Command("portdoc", "client", listener.Addr().String())
	command.Stdin = strings.NewReader("1234567890")
	text, _ := command.CombinedOutput()
	if command.ProcessState.ExitCode() != 1 || !strings.HasSuffix(string(text), "portdoc: the server has closed the connection after 5 of 10 bytes\n") {
		t.Errorf("%v:\n%s", command.ProcessState, text)
	}
}

// TestClientRefused: what is there and what is not.
func TestClientRefused(t *testing.T) {
	t.Parallel()
	p := newPuppet(t)
	port := portOf(p.do("bind", "tcp", "127.0.0.1:0"))
	start := "portdoc: dial tcp 127.0.0.1:" + port + ": connect: connection refused: nothing listens on 127.0.0.1:" + port
	for _, test := range []struct{ made, want string }{
		{"", "; the port is taken by BOUND on 127.0.0.1:" + port},
		{"listen 127.0.0.2:" + port, "; the port is taken by BOUND on 127.0.0.1:" + port + ", LISTEN on 127.0.0.2:" + port},
	} {
		if test.made != "" {
			p.do(strings.Fields(test.made)...)
		}
		refused, line := begin(t, "client", port)
		if line != start+test.want {
			t.Errorf("%q, want %q", line, start+test.want)
		}
		if got := refused.status(); got != "exit status 1" {
			t.Error(got)
		}
	}
	p.do("close", "0")
	p.do("close", "1")
	if _, line := begin(t, "client", port); line != start+"; no socket of this machine has port "+port {
		t.Errorf("nothing there: %q", line)
	}
}

// TestClientHold stays and sends nothing, from the port it was given.
func TestClientHold(t *testing.T) {
	t.Parallel()
	server, address := serve(t)
	port := freePort(t)
	holding, local := client(t, address, "--hold", "--source-port", port)
	if strconv.Itoa(int(local.Port())) != port {
		t.Errorf("the client has port %d, want %s", local.Port(), port)
	}
	server.accepts(local)
	holding.Tell(t, "nobody reads this")
	until(t, netip.MustParseAddrPort(address), local, netstate.StateEstablished, netstate.StateListen)
	server.signal(syscall.SIGINT)
	if rest := server.Rest(t); rest != "" {
		t.Errorf("the server received %q", rest)
	}
	holding.wants("portdoc: the server has closed the connection")
}
