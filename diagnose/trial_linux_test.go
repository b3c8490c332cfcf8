package diagnose_test

import (
	"errors"
	"math/rand/v2"
	"net/netip"

	"golang.org/x/sys/unix"
)

// trial is one random port: sockets in random states that hold it, and a
// random request for it.
type trial struct {
	*rand.Rand
	port uint16
	// users are those whose sockets there can be; the first is the reader.
	users []uint32
	// sockets are those of the port, in the order in which they were made.
	sockets []*trialSocket
	lastID  int
	// inodes of the sockets that somebody has open, by id.
	inodes map[int]uint64
	// helpers are descriptors at the other end of connections.
	helpers []int
	// binders are all binds and listens on the port so far, which the kernel
	// may remember although nothing shows them any more.
	binders []binder
	// device is the interface index of [testDevice].
	device int
}

// trialSocket is a socket of the trial's port.
type trialSocket struct {
	recordedSocket
	// fd is -1 for one that nobody can have open.
	fd int
	// queued tells that a listener has a connection that nobody accepts.
	queued bool
}

// binder is a socket as it was when it was bound or began to listen.
type binder struct {
	id        int
	address   netip.Addr
	v6only    bool
	reusePort bool
	uid       uint32
}

// The ephemeral range has room for the trials, for clients and for servers
// that connections are made with; see [trial.port].
const (
	ephemeralRange = "33000 64999"
	firstLowPort   = 2000
	lastLowPort    = 32000
	firstHighPort  = 33000
	lastHighPort   = 54000
)

var (
	clientPorts = [2]uint16{55000, 60999}
	serverPorts = [2]uint16{61000, 64999}
)

func pick[T any](r *rand.Rand, choices []T) T { return choices[r.IntN(len(choices))] }

// chance is true once in n times.
func (t *trial) chance(n int) bool { return t.IntN(n) == 0 }

var (
	bindable4 = addresses("0.0.0.0", "0.0.0.0", "0.0.0.0", "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.6", "10.99.0.1",
		"10.99.0.255", "224.0.0.251", "255.255.255.255")
	bindable6 = addresses("::", "::", "::", "::", "::1", "::1", "fd99::1", "::ffff:127.0.0.1", "::ffff:127.0.0.1", "::ffff:0.0.0.0",
		"::ffff:10.99.0.1", "fe80::99:1")
	requested4 = append(addresses("127.255.255.255", "203.0.113.7", "10.99.0.77"), bindable4...)
	requested6 = append(addresses("2001:db8::1", "ff02::fb", "ff05::fb", "::ffff:203.0.113.7", "::ffff:224.0.0.251"), bindable6...)
)

func addresses(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

func (t *trial) user() uint32 { return pick(t.Rand, t.users) }

// setUp makes one to four sockets, some with connections.
func (t *trial) setUp() error {
	for range 1 + t.IntN(4) {
		if err := t.setUpOne(); err != nil && !errors.Is(err, errTaken) {
			return err
		}
	}
	for _, s := range t.sockets {
		if s.fd >= 0 && t.chance(9) {
			t.changeFlags(s)
		}
	}
	return nil
}

func (t *trial) setUpOne() error {
	if t.chance(3) {
		return t.setUpUDP()
	}
	switch kind := t.IntN(10); {
	case kind < 2:
		_, err := t.bound("tcp")
		return err
	case kind < 4:
		_, err := t.listening()
		return err
	case kind < 6:
		return t.connected(true)
	case kind < 7 && t.port >= firstHighPort:
		return t.connected(false)
	case kind < 8:
		return t.connecting()
	}
	return t.serving()
}

// setUpUDP makes a socket that is bound, connected, or both.
func (t *trial) setUpUDP() error {
	if t.port >= firstHighPort && t.chance(6) {
		s, err := t.unbound("udp")
		if err != nil {
			return err
		}
		if err := t.connect(s, t.reachable(s)); err != nil {
			unix.Close(s.fd)
			return taken(err)
		}
		s.Origin, s.State = "connect", "connected"
		return t.keep(s)
	}
	s, err := t.bound("udp")
	if err != nil || !t.connectable(s) || !t.chance(4) {
		return err
	}
	s.State = "connected"
	return errors.Join(t.connect(s, t.reachable(s)), s.refresh())
}

// options of a new socket of the setup.
func (t *trial) options() socketOptions {
	o := socketOptions{reuseAddr: t.chance(2), reusePort: t.chance(2), v6only: t.chance(3)}
	switch t.IntN(12) {
	case 0, 1:
		o.device = "lo"
	case 2:
		o.device = testDevice
	}
	return o
}

// unbound is a socket that will get the trial's port from connect(2).
func (t *trial) unbound(proto string) (*trialSocket, error) {
	family := pick(t.Rand, []int{4, 6})
	o := t.options()
	o.portRange = [2]uint16{t.port, t.port}
	if o.device == testDevice {
		o.device = ""
	}
	return t.open(proto, family, o)
}

func (t *trial) open(proto string, family int, o socketOptions) (*trialSocket, error) {
	s := &trialSocket{fd: -1, recordedSocket: recordedSocket{Proto: proto, Family: family, UID: t.user(), Dev: o.device}}
	err := as(s.UID, func() (err error) {
		s.fd, err = openSocket(proto, family, o)
		return err
	})
	return s, err
}

// bound is a socket that is bound to the trial's port.
func (t *trial) bound(proto string) (*trialSocket, error) {
	address := pick(t.Rand, bindable4)
	if t.chance(2) {
		address = pick(t.Rand, bindable6)
	}
	o := t.options()
	if address.Is4In6() {
		o.v6only = false
	}
	if address.IsLinkLocalUnicast() || address.Is6() && address.IsLoopback() && o.device != "" {
		o.device = map[bool]string{true: "lo", false: testDevice}[address.IsLoopback()]
	}
	s, err := t.open(proto, familyOf(address), o)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(s.fd, sockaddr(s.Family, netip.AddrPortFrom(address, t.port), 0)); err != nil {
		unix.Close(s.fd)
		return nil, taken(err)
	}
	s.Origin, s.State = "bind", "bound"
	if proto == "udp" {
		s.State = "unconnected"
	}
	if err := t.keep(s); err != nil {
		return nil, err
	}
	t.remember(s)
	return s, nil
}

func (t *trial) listening() (*trialSocket, error) {
	s, err := t.bound("tcp")
	if err != nil {
		return nil, err
	}
	if err := unix.Listen(s.fd, 8); err != nil {
		return nil, taken(err) // It stays bound.
	}
	s.State = "listen"
	t.remember(s)
	return s, nil
}

// errTaken means that a socket of the setup is left out, because another one
// has the port already.
var errTaken = errors.New("the port is taken")

func taken(err error) error {
	// connect(2) says EADDRNOTAVAIL (TCP) or EAGAIN (UDP) when the only port
	// that it may choose is taken.
	for _, errno := range []error{unix.EADDRINUSE, unix.EADDRNOTAVAIL, unix.EAGAIN} {
		if errors.Is(err, errno) {
			return errTaken
		}
	}
	return err
}

// keep adds a socket to the trial.
func (t *trial) keep(s *trialSocket) error {
	t.lastID++
	s.ID = t.lastID
	t.sockets = append(t.sockets, s)
	var file unix.Stat_t
	if err := unix.Fstat(s.fd, &file); err != nil {
		return err
	}
	t.inodes[s.ID] = file.Ino
	return s.refresh()
}

// remember notes what the kernel may remember of a bind or listen.
func (t *trial) remember(s *trialSocket) {
	t.binders = append(t.binders, binder{s.ID, s.Addr, s.V6Only, s.ReusePort, s.UID})
}

// refresh reads what may have changed since.
func (s *trialSocket) refresh() error {
	local, err := localAddress(s.fd)
	if err != nil {
		return err
	}
	s.Addr, s.Port = local.Addr(), local.Port()
	s.ReuseAddr = optionIsOn(s.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR)
	s.ReusePort = optionIsOn(s.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT)
	s.V6Only = s.Family == 6 && optionIsOn(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	return nil
}

func (t *trial) changeFlags(s *trialSocket) {
	option := pick(t.Rand, []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT})
	value := 1
	if optionIsOn(s.fd, unix.SOL_SOCKET, option) {
		value = 0
	}
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, option, value) == nil {
		s.Changed = true
		s.refresh()
	}
}

// connectable tells whether a connection over the loopback can begin at s.
func (t *trial) connectable(s *trialSocket) bool {
	a := s.Addr.Unmap()
	return s.Dev != testDevice && !a.IsMulticast() && !a.IsLinkLocalUnicast() &&
		a != netip.MustParseAddr("255.255.255.255") && a != netip.MustParseAddr("10.99.0.255")
}

// reachable is an address that s can connect to.
func (t *trial) reachable(s *trialSocket) netip.Addr {
	here := s.Addr
	switch {
	case here.IsValid() && !here.Unmap().IsUnspecified():
		return here
	case s.Family == 4 || here.Is4In6():
		return pick(t.Rand, addresses("127.0.0.1", "127.0.0.2"))
	case s.Family == 6 && !optionIsOn(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY) && t.chance(3):
		return netip.MustParseAddr("::ffff:127.0.0.1")
	}
	return netip.MustParseAddr("::1")
}

// connect connects a UDP socket to a port that nobody has.
func (t *trial) connect(s *trialSocket, to netip.Addr) error {
	return unix.Connect(s.fd, sockaddr(s.Family, netip.AddrPortFrom(to, 9), 0))
}

// release closes everything.
func (t *trial) release() {
	for _, s := range t.sockets {
		if s.fd >= 0 {
			unix.Close(s.fd)
		}
	}
	for _, fd := range t.helpers {
		unix.Close(fd)
	}
}
