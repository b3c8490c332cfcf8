package echo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
)

// ErrServerClosed tells that the server ended the connection before the
// client did.
var ErrServerClosed = errors.New("the server has closed the connection")

// ShortError tells that the server ended the connection after the client did,
// and before everything that was sent had come back.
type ShortError struct{ Sent, Received int64 }

// Error says how much came back.
func (e *ShortError) Error() string {
	return fmt.Sprintf("the server has closed the connection after %d of %d bytes", e.Received, e.Sent)
}

// Dial connects to address, a host and a port. With a sourcePort other than 0
// the local side is bound to it, without SO_REUSEADDR.
func Dial(ctx context.Context, address string, sourcePort uint16) (*net.TCPConn, error) {
	dialer := net.Dialer{}
	if sourcePort != 0 {
		dialer.LocalAddr = &net.TCPAddr{Port: int(sourcePort)}
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// Client sends its input to an echo server and writes what comes back.
type Client struct {
	// In is what is sent. Nil stays connected and sends nothing.
	In io.Reader
	// Out gets what comes back.
	Out io.Writer
	// NoticeOnWrite makes the client learn of the server's end only by a
	// write that fails. The first write after the end still succeeds: the
	// server's system answers it with RST, and the next one gets EPIPE.
	NoticeOnWrite bool
}

// Run sends and receives until both sides have ended. At the end of the input
// it closes its own direction only and waits for the rest to come back. The
// error is [ErrServerClosed], a [*ShortError], or that of a read or write.
//
// When the server ends first, Run returns at once although a read of In may
// not have: its goroutine stays until it does.
func (c *Client) Run(ctx context.Context, conn *net.TCPConn) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	x := &exchange{client: c, conn: conn, sent: make(chan half, 1), received: make(chan half, 1)}
	go x.receive()
	if c.In == nil {
		return x.serverFirst(<-x.received)
	}
	go x.send()
	if c.NoticeOnWrite {
		return x.clientFirst(<-x.sent)
	}
	select {
	case out := <-x.sent:
		return x.clientFirst(out)
	case in := <-x.received:
		return x.serverFirst(in)
	}
}

// exchange is one run of a client: two directions that end on their own.
type exchange struct {
	client         *Client
	conn           *net.TCPConn
	sent, received chan half
	// inputEnded is set before the end of the input is passed on, so that
	// the server's answer to it is not taken for an end of its own accord.
	inputEnded atomic.Bool
}

// half is how one direction of a connection ended, after how many bytes.
type half struct {
	bytes int64
	err   error
}

// receive writes out what comes until the server ends.
func (x *exchange) receive() {
	n, err := io.Copy(x.client.Out, x.conn)
	x.received <- half{n, err}
}

// send sends the input and then closes this direction.
func (x *exchange) send() {
	n, err := io.Copy(x.conn, x.client.In)
	if err == nil {
		x.inputEnded.Store(true)
		err = x.conn.CloseWrite()
	}
	x.sent <- half{n, err}
}

// clientFirst waits for the rest of the echo after the input has ended. When
// it ended with an error the server still learns that nothing more will come.
func (x *exchange) clientFirst(out half) error {
	if out.err != nil {
		x.conn.CloseWrite()
		<-x.received
		return out.err
	}
	return compare(out, <-x.received)
}

// serverFirst judges the end of the server.
func (x *exchange) serverFirst(in half) error {
	if in.err != nil {
		return in.err
	}
	if x.inputEnded.Load() {
		return compare(<-x.sent, in)
	}
	return ErrServerClosed
}

// compare tells whether all that went out has come back.
func compare(out, in half) error {
	switch {
	case in.err != nil:
		return in.err
	case in.bytes < out.bytes:
		return &ShortError{out.bytes, in.bytes}
	}
	return out.err
}
