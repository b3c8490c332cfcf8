package echo

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

const bufferBytes = 64 << 10

// buffers are lent to clients while they have something to be echoed.
var buffers = sync.Pool{New: func() any { return new([bufferBytes]byte) }}

// session is one client of a server.
type session struct {
	server *Server
	conn   *net.TCPConn
	raw    syscall.RawConn
	remote netip.AddrPort
	line   line
	// idle is the time of the first read in a row that brought nothing;
	// spins counts them.
	idle  time.Time
	spins int
}

// ending is how a client ended: err is what call, "read" or "write",
// answered, or nil when a read returned 0 bytes.
type ending struct {
	call string
	err  error
}

func newSession(s *Server, conn *net.TCPConn, remote netip.AddrPort) *session {
	raw, err := conn.SyscallConn()
	if err != nil {
		panic(err) // only for the zero TCPConn
	}
	return &session{server: s, conn: conn, raw: raw, remote: remote}
}

// run echoes until the client ends.
func (c *session) run() ending {
	right := c.server.OnEnd == EndExit || c.server.OnEnd == ""
	if c.server.Printer.Out == nil && right {
		return c.forward()
	}
	defer c.server.Printer.ended(&c.line)
	return c.copy()
}

// copy echoes through a buffer.
func (c *session) copy() ending {
	for {
		buffer, n, err := c.receive()
		if n > 0 {
			c.spins = 0
			c.server.Printer.received(&c.line, buffer[:n])
			_, err = c.conn.Write(buffer[:n])
			buffers.Put(buffer)
			if err != nil && c.server.OnEnd != EndIgnore {
				return ending{"write", err}
			}
			continue
		}
		if c.ends(err) {
			return ending{"read", err}
		}
	}
}

// ends decides whether a read that brought nothing is the end of the client.
func (c *session) ends(err error) bool {
	switch c.server.OnEnd {
	case EndIgnore:
	case EndErrorsOnly:
		if err != nil {
			return true
		}
	default:
		return true
	}
	return errors.Is(err, net.ErrClosed) || c.spun()
}

// spun counts a read that brought nothing and was taken for something, and
// tells whether that was the last one allowed.
func (c *session) spun() bool {
	c.spins++
	if c.spins == 1 {
		c.idle = time.Now()
		c.server.Printer.Event("%s: a read brought nothing, and --on-eof=%s reads again", c.remote, c.server.OnEnd)
	}
	if c.spins < c.server.MaxSpins {
		return false
	}
	c.server.Printer.Error("%s: %d reads in a row brought nothing, in %v: the loop spins until --max-spins ends it",
		c.remote, c.spins, time.Since(c.idle).Round(time.Millisecond))
	return true
}
