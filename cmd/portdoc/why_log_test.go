package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// TestWhyLogFollows: a failure is explained while the log is still written,
// also one that may go on and that only a pause ends.
func TestWhyLogFollows(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	in, log := io.Pipe()
	answer := &answers{written: make(chan string, 64)}
	c := &console{in: in, out: &output{Writer: answer}, errors: io.Discard, width: 80}
	status := make(chan int)
	go func() { status <- run(t.Context(), []string{"why", "-"}, c) }()

	fmt.Fprintf(log, "listen tcp %s: bind: address already in use\n", listener.Addr())
	answer.until(t, fmt.Sprintf("%s/tcp is taken", listener.Addr()))
	fmt.Fprint(log, strings.Repeat("working\n", 40)+"bind: Address already in use\n")
	answer.until(t, "does not say which port")
	log.Close()
	if got := <-status; got != exitUnknown {
		t.Errorf("exit status %d, want %d", got, exitUnknown)
	}
}

// answers hands on what is written to it.
type answers struct{ written chan string }

func (a *answers) Write(p []byte) (int, error) {
	a.written <- string(p)
	return len(p), nil
}

// until waits for a text, which may come in pieces.
func (a *answers) until(t *testing.T, want string) {
	t.Helper()
	var got strings.Builder
	for !strings.Contains(got.String(), want) {
		select {
		case text := <-a.written:
			got.WriteString(text)
		case <-t.Context().Done():
			t.Fatalf("%q is not in:\n%s", want, got.String())
		}
	}
}

// TestLogInputFails: an input that breaks off is told.
func TestLogInputFails(t *testing.T) {
	in, log := io.Pipe()
	log.CloseWithError(io.ErrUnexpectedEOF)
	var told strings.Builder
	c := &console{in: in, out: &output{Writer: io.Discard}, errors: &told, width: 80}
	if status := run(t.Context(), []string{"why", "-"}, c); status != exitUsage {
		t.Errorf("exit status %d, want %d", status, exitUsage)
	}
	if want := "portdoc: standard input can't be read: unexpected EOF\n"; told.String() != want {
		t.Errorf("told %q, want %q", told.String(), want)
	}
}
