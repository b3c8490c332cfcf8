package echo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// These tests run on every system.

var anyPort = netip.MustParseAddrPort("127.0.0.1:0")

// transcript collects what a server prints.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// run serves until the clients of the test have gone and returns what was
// printed. The test gets the server's address.
func run(t *testing.T, s *Server, test func(address string)) string {
	t.Helper()
	printed := new(transcript)
	s.Printer = &Printer{Out: printed, Err: printed}
	listener, err := Listen(context.Background(), anyPort, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background(), listener) }()
	test(listener.Addr().String())
	if !s.Once {
		listener.Close()
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return printed.String()
}

// exchangeText sends a text with a client and returns what came back.
func exchangeText(t *testing.T, address, text string) (echo, local string) {
	t.Helper()
	conn, err := Dial(context.Background(), address, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	client := Client{In: strings.NewReader(text), Out: &out}
	if err := client.Run(context.Background(), conn); err != nil {
		t.Error(err)
	}
	return out.String(), conn.LocalAddr().String()
}

func TestEcho(t *testing.T) {
	for _, text := range []string{"", "\n", "hello\n", "one\ntwo", "\x00\xff\r\n\x1b[2J", strings.Repeat("long", 1<<18)} {
		var echo, local string
		got := run(t, &Server{Linger: -1, Once: true}, func(address string) { echo, local = exchangeText(t, address, text) })
		if echo != text {
			t.Errorf("%.20q came back as %.20q", text, echo)
		}
		shown := text
		if text != "" && !strings.HasSuffix(text, "\n") {
			shown += "\n"
		}
		_, port, _ := net.SplitHostPort(local)
		want := fmt.Sprintf("ip is 127.0.0.1,  port is %s\n%s%s closed (a read returned 0 bytes)\n", port, shown, local)
		if got != want {
			t.Errorf("%.20q: printed %d bytes, want %d: %.200q", text, len(got), len(want), got)
		}
	}
}

// TestServeCanceled: when the context is done all connections are closed.
func TestServeCanceled(t *testing.T) {
	listener, err := Listen(context.Background(), anyPort, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	printed := new(transcript)
	s := &Server{Linger: -1, Printer: &Printer{Out: printed, Err: printed}}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	conn, err := Dial(context.Background(), listener.Addr().String(), 0)
	if err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	received := make(chan bool, 1)
	client := Client{In: reader, Out: writerFunc(func([]byte) { received <- true })}
	told := make(chan error, 1)
	go func() { told <- client.Run(context.Background(), conn) }()
	io.WriteString(writer, "hello\n")
	<-received
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := <-told; !errors.Is(err, ErrServerClosed) {
		t.Errorf("the client is told %v, want %v", err, ErrServerClosed)
	}
	if text := printed.String(); strings.Contains(text, "lost") {
		t.Errorf("an end of its own accord is no loss:\n%s", text)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// TestListenTaken: the error of a failed bind is an errno.
func TestListenTaken(t *testing.T) {
	first, err := Listen(context.Background(), anyPort, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = Listen(context.Background(), first.Addr().(*net.TCPAddr).AddrPort(), ListenOptions{})
	if errno := syscall.Errno(0); !errors.As(err, &errno) {
		t.Errorf("the second listener got %v", err)
	}
}

// TestPrinter: lines stay whole, and a line too long to be held back is ended
// where another comes.
func TestPrinter(t *testing.T) {
	long := strings.Repeat("x", heldBytes)
	var a, b line
	for _, test := range []struct {
		name string
		do   func(p *Printer)
		want string
	}{
		{"halves", func(p *Printer) {
			p.received(&a, []byte("one "))
			p.received(&b, []byte("two\n"))
			p.received(&a, []byte("three\nfour "))
			p.received(&a, []byte("five\n"))
		}, "two\none three\nfour five\n"},
		{"no end", func(p *Printer) {
			p.received(&a, []byte("one"))
			p.ended(&a)
			p.Event("over")
		}, "one\nover\n"},
		{"long", func(p *Printer) {
			p.received(&a, []byte(long+"1"))
			p.received(&a, []byte(long+"2"))
			p.received(&b, []byte("other\n"))
			p.received(&a, []byte("3\n"))
			p.Event("over")
		}, long + "1" + long + "2\nother\n3\nover\n"},
		{"long, then over", func(p *Printer) {
			p.received(&a, []byte(long+"1"))
			p.ended(&a)
			p.Event("over")
		}, long + "1\nover\n"},
		{"escapes", func(p *Printer) {
			p.Terminal = true
			p.received(&a, []byte("\x1b]0;title\a\té\u202e\xff\r\n\n"))
			p.Event("over")
		}, `\x1b]0;title\x07` + "\té" + `\u202e\xff\x0d` + "\n\nover\n"},
	} {
		var out strings.Builder
		test.do(&Printer{Out: &out, Err: &out})
		if diff := cmp.Diff(test.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestEscaped(t *testing.T) {
	var out strings.Builder
	n, err := io.WriteString(Escaped(&out), "a\x00b\n")
	if n != 4 || err != nil || out.String() != `a\x00b`+"\n" {
		t.Errorf("%q, %d, %v", out.String(), n, err)
	}
}
