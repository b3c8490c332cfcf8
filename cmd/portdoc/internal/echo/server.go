package echo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// OnEnd says what a server does when a read brings nothing: with 0 bytes the
// client has closed, with an error something went wrong.
type OnEnd string

// What a server does. Only [EndExit] is right; the others are the two famous
// mistakes, which read again and again at full speed.
const (
	// EndExit ends that client, and is the zero value's meaning too.
	EndExit OnEnd = "exit"
	// EndIgnore never looks at the result of a read.
	EndIgnore OnEnd = "ignore"
	// EndErrorsOnly takes an error for the end and waits for one for ever:
	// a read of 0 bytes is none.
	EndErrorsOnly OnEnd = "errors-only"
)

// Server echoes what each client sends. Its memory does not grow with what is
// sent: a client that waits costs a goroutine, and one in the middle of
// something 64 KiB more (of the kernel's memory where splice(2) is used).
type Server struct {
	// Printer gets the events, the lines received and the errors. When its
	// Out is nil the bytes never leave the kernel (on Linux).
	Printer *Printer
	// OnEnd says what to do at the end of a client.
	OnEnd OnEnd
	// MaxSpins is the number of reads in a row that bring nothing, after
	// which a client is ended whatever OnEnd says.
	MaxSpins int
	// Linger is SO_LINGER of each connection, in whole seconds: 0 makes a
	// close send RST. Negative leaves it unset.
	Linger int
	// Once makes the server stop listening as soon as it has a client.
	Once bool

	mu      sync.Mutex
	clients map[*net.TCPConn]struct{}
	wait    sync.WaitGroup
}

// Serve takes clients until listener is closed, and returns when the last of
// them has gone. When ctx is done it closes everything and returns at once.
// An error means that the listener can't be used any more.
func (s *Server) Serve(ctx context.Context, listener *net.TCPListener) error {
	s.clients = make(map[*net.TCPConn]struct{})
	stop := context.AfterFunc(ctx, func() {
		listener.Close()
		s.closeClients()
	})
	defer stop()
	defer listener.Close()
	err := s.accept(ctx, listener)
	s.wait.Wait()
	return err
}

// accept takes clients until the listener is closed.
func (s *Server) accept(ctx context.Context, listener *net.TCPListener) error {
	for pause := time.Duration(0); ; {
		conn, err := listener.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil && !passes(err):
			return err
		case err != nil:
			pause = s.pause(ctx, pause, err)
			continue
		}
		pause = 0
		if s.Once {
			listener.Close()
		}
		s.start(ctx, conn)
	}
}

// pause waits until accepting is worth trying again, and says why it waits
// when it begins to. It returns for how long it waited.
func (s *Server) pause(ctx context.Context, last time.Duration, err error) time.Duration {
	if last == 0 {
		s.Printer.Error("new clients have to wait: %s", describe(err))
	}
	closeIdlePipes()
	next := min(max(2*last, 5*time.Millisecond), time.Second)
	select {
	case <-time.After(next):
	case <-ctx.Done():
	}
	return next
}

// passes tells whether accept(2) may succeed later: what is missing can come
// back when clients leave.
func passes(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// start serves one client in a goroutine of its own.
func (s *Server) start(ctx context.Context, conn *net.TCPConn) {
	remote := remoteAddress(conn)
	s.Printer.Event("ip is %s,  port is %d", remote.Addr(), remote.Port())
	if s.Linger >= 0 {
		conn.SetLinger(s.Linger)
	}
	s.mu.Lock()
	s.clients[conn] = struct{}{}
	s.mu.Unlock()
	if ctx.Err() != nil {
		conn.Close() // it came while the others were being closed
	}
	s.wait.Go(func() { s.serve(conn, remote) })
}

// serve echoes to one client and says how it ended.
func (s *Server) serve(conn *net.TCPConn, remote netip.AddrPort) {
	session := newSession(s, conn, remote)
	if end := session.run(); end.err == nil {
		s.Printer.Event("%s closed (a read returned 0 bytes)", remote)
	} else if !errors.Is(end.err, net.ErrClosed) {
		s.Printer.Error("%s lost (a %s failed: %s)", remote, end.call, describe(end.err))
	}
	s.mu.Lock()
	delete(s.clients, conn)
	s.mu.Unlock()
	conn.Close()
}

func (s *Server) closeClients() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.clients {
		conn.Close()
	}
}

func remoteAddress(conn *net.TCPConn) netip.AddrPort {
	remote := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
}

// describe says what a failed call answered, without the addresses that the
// net package puts before it.
func describe(err error) string {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		if name := errnoName(errno); name != "" {
			return fmt.Sprintf("%s, %s", errno, name)
		}
		return errno.Error()
	}
	return err.Error()
}
