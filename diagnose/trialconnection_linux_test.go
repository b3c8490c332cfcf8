package diagnose_test

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// connected makes a TCP connection from the trial's port to a server of its
// own, and brings it into some state. The port comes from bind(2) or from
// connect(2).
func (t *trial) connected(binds bool) error {
	var s *trialSocket
	var err error
	if binds {
		if s, err = t.bound("tcp"); err != nil || !t.connectable(s) {
			return err
		}
	} else if s, err = t.unbound("tcp"); err != nil {
		return err
	}
	peer, err := t.connectToServer(s)
	if err != nil {
		if !binds {
			unix.Close(s.fd)
			return taken(err)
		}
		return err
	}
	if !binds {
		s.Origin = "connect"
		if err := t.keep(s); err != nil {
			return err
		}
	}
	if err := s.refresh(); err != nil {
		return err
	}
	s.State = "established"
	return t.age(s, peer)
}

// connectToServer makes a server for one connection and returns its end.
func (t *trial) connectToServer(s *trialSocket) (peer int, err error) {
	to := t.reachable(s)
	server, err := openSocket("tcp", familyOf(to.Unmap()), socketOptions{portRange: serverPorts})
	if err != nil {
		return -1, err
	}
	defer unix.Close(server)
	if err := unix.Bind(server, sockaddr(familyOf(to.Unmap()), netip.AddrPortFrom(to, 0), 0)); err != nil {
		return -1, err
	}
	if err := unix.Listen(server, 1); err != nil {
		return -1, err
	}
	address, err := localAddress(server)
	if err != nil {
		return -1, err
	}
	err = unix.Connect(s.fd, sockaddr(s.Family, netip.AddrPortFrom(to, address.Port()), 0))
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return -1, err
	}
	if err := awaitState(s.fd, tcpEstablished); err != nil {
		return -1, err
	}
	if err := unix.Connect(s.fd, sockaddr(s.Family, netip.AddrPortFrom(to, address.Port()), 0)); err != nil && !errors.Is(err, unix.EISCONN) {
		return -1, err // The call that completes it.
	}
	peer, err = acceptSoon(server)
	if err == nil {
		t.helpers = append(t.helpers, peer)
	}
	return peer, err
}

// acceptSoon accepts a connection that is there or about to be.
func acceptSoon(server int) (int, error) {
	poll := []unix.PollFd{{Fd: int32(server), Events: unix.POLLIN}}
	if n, err := pollAgain(poll); n != 1 || err != nil {
		return -1, errors.Join(errDropped, err)
	}
	fd, _, err := unix.Accept4(server, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	return fd, err
}

// pollAgain waits a second for a descriptor, again where a signal of Go's
// scheduler ended the wait.
func pollAgain(poll []unix.PollFd) (n int, err error) {
	for n, err = unix.Poll(poll, 1000); err == unix.EINTR; {
		n, err = unix.Poll(poll, 1000)
	}
	return n, err
}

// age brings an established connection into a random state. Peer is the other
// end.
func (t *trial) age(s *trialSocket, peer int) error {
	switch t.IntN(8) {
	case 0, 1:
		return nil
	case 2:
		s.State = "close_wait"
		return errors.Join(unix.Shutdown(peer, unix.SHUT_WR), awaitState(s.fd, tcpCloseWait))
	case 3:
		return t.halfClose(s, peer)
	case 4:
		if s.Origin != "bind" {
			return nil // A reset takes a port away that was not bound.
		}
		s.State = "closed"
		t.helpers = t.helpers[:len(t.helpers)-1]
		return errors.Join(reset(peer), awaitState(s.fd, tcpClose))
	case 5:
		return errors.Join(t.halfClose(s, peer), t.abandon(s))
	}
	err := errors.Join(t.halfClose(s, peer), t.abandon(s))
	s.State = "time_wait"
	return errors.Join(err, unix.Shutdown(peer, unix.SHUT_WR), awaitState(peer, tcpClose))
}

// halfClose ends this side of a connection: FIN_WAIT2.
func (t *trial) halfClose(s *trialSocket, peer int) error {
	s.State = "fin_wait2"
	return errors.Join(unix.Shutdown(s.fd, unix.SHUT_WR), awaitState(peer, tcpCloseWait),
		acknowledgeEnd(peer), awaitState(s.fd, tcpFinWait2))
}

// abandon closes the descriptor of a socket in FIN_WAIT2, of which the kernel
// keeps a small TIME_WAIT socket.
func (t *trial) abandon(s *trialSocket) error {
	err := errors.Join(s.refresh(), unix.Close(s.fd))
	s.fd, s.Orphan, s.TWMini = -1, true, true
	return err
}

// connecting is a connection that nobody answers: SYN_SENT.
func (t *trial) connecting() error {
	s, err := t.bound("tcp")
	if err != nil {
		return err
	}
	var to netip.Addr
	switch s.Addr {
	case netip.IPv4Unspecified(), netip.MustParseAddr("10.99.0.1"):
		to = netip.MustParseAddr("10.99.0.77")
	case netip.IPv6Unspecified(), netip.MustParseAddr("fd99::1"):
		to = netip.MustParseAddr("fd99::77")
	default:
		return nil
	}
	if s.Dev == "lo" {
		return nil
	}
	err = unix.Connect(s.fd, sockaddr(s.Family, netip.AddrPortFrom(to, 9), 0))
	if !errors.Is(err, unix.EINPROGRESS) {
		return errors.Join(errDropped, err)
	}
	s.State = "syn_sent"
	return errors.Join(awaitState(s.fd, tcpSynSent), s.refresh())
}

// serving is a listener with a connection or two, which it may leave behind.
func (t *trial) serving() error {
	listener, err := t.listening()
	if err != nil || !t.connectable(listener) {
		return err
	}
	for range 1 + t.IntN(2) {
		if err := t.serveOne(listener); err != nil || listener.queued {
			return err
		}
	}
	if t.chance(2) {
		t.drop(listener)
	}
	return nil
}

// drop closes a socket and takes it off the trial. A listener resets what it
// has queued.
func (t *trial) drop(gone *trialSocket) {
	unix.Close(gone.fd)
	for i, s := range t.sockets {
		if s == gone {
			t.sockets = append(t.sockets[:i:i], t.sockets[i+1:]...)
			return
		}
	}
}

// serveOne makes a connection to a listener of the trial's port. When several
// could take it, whichever got it is the one.
func (t *trial) serveOne(listener *trialSocket) error {
	to := t.reachable(listener)
	client, err := openSocket("tcp", familyOf(to.Unmap()), socketOptions{portRange: clientPorts})
	if err != nil {
		return err
	}
	t.helpers = append(t.helpers, client)
	err = unix.Connect(client, sockaddr(familyOf(to.Unmap()), netip.AddrPortFrom(to, t.port), 0))
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	if err := awaitState(client, tcpEstablished); err != nil {
		return err
	}
	taker, err := t.taker()
	if err != nil {
		return err
	}
	if taker.queued {
		return errDropped // accept(2) would take the older one.
	}
	if t.chance(5) {
		return t.leaveQueued(taker, to)
	}
	return t.accept(taker, client)
}

// taker is the listener that has a connection in its queue.
func (t *trial) taker() (*trialSocket, error) {
	var listeners []*trialSocket
	var poll []unix.PollFd
	for _, s := range t.sockets {
		if s.State == "listen" {
			listeners = append(listeners, s)
			poll = append(poll, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
		}
	}
	if _, err := pollAgain(poll); err != nil {
		return nil, err
	}
	var ready *trialSocket
	for i := range poll {
		if poll[i].Revents != 0 {
			if ready != nil {
				return nil, errDropped // One of them has an older one queued.
			}
			ready = listeners[i]
		}
	}
	if ready == nil {
		return nil, errDropped
	}
	return ready, nil
}

// leaveQueued records a connection that nobody accepts.
func (t *trial) leaveQueued(listener *trialSocket, to netip.Addr) error {
	listener.queued = true
	if err := listener.refresh(); err != nil {
		return err
	}
	s := &trialSocket{fd: -1, recordedSocket: listener.recordedSocket}
	t.lastID++
	s.ID, s.State, s.Origin, s.Addr = t.lastID, "established", "backlog", to.Unmap()
	if s.Family == 6 && s.Addr.Is4() {
		s.Addr = netip.AddrFrom16(s.Addr.As16())
	}
	t.sockets = append(t.sockets, s)
	return nil
}

// accept takes a connection as some user, and brings it into some state.
func (t *trial) accept(listener *trialSocket, client int) error {
	s := &trialSocket{recordedSocket: recordedSocket{
		Proto: "tcp", Family: listener.Family, State: "established", Origin: "accepted", UID: t.user(), Dev: listener.Dev,
	}}
	err := as(s.UID, func() (err error) {
		s.fd, _, err = unix.Accept4(listener.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		return err
	})
	if err != nil {
		return err
	}
	if err := t.keep(s); err != nil {
		return err
	}
	return t.age(s, client)
}
