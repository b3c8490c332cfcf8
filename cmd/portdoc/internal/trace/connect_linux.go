package trace

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A connect gives its socket a source port before anything is sent, and an
// attempt that is refused leaves the number on the socket (inet_hash_connect
// and inet_put_port in net/ipv4/inet_hashtables.c, Linux 6.18). So a connect
// that is over while its socket has no port never got so far: there was no
// port, no source address, no route, or it was forbidden.
//
// A connect is let through after a few system calls, and its outcome looked
// for when it should have its port. All of that is done by the loop that
// receives calls: other goroutines would cost more than they do.
type connects struct {
	tracer *Tracer
	// under are the connects whose outcome is not known. It has a duplicate
	// of each socket, closed as soon as the socket has a port.
	under []*watched
	next  time.Time     // when to look again, if there are any
	pause time.Duration // between two looks
	// callers are the threads that have made a connect, by their id. One that
	// failed may be the last thing that its process does.
	callers map[int]Call
	told    chan struct{} // closed when the last failure is told
}

// mostCallers bounds how many are remembered.
const mostCallers = 4096

// firstLook is how long a connect is given to get its port: it takes some ten
// microseconds from the moment when its thread goes on.
const firstLook = 50 * time.Microsecond

// begin lets a connect through. Whatever goes wrong here, the call is made.
func (c *connects) begin(n *notification) {
	var w *watched
	var err error
	func() {
		defer func() {
			if failure := recover(); failure != nil {
				err = fmt.Errorf("a connect could not be looked at: %v", failure)
			}
		}()
		w, err = c.prepare(n)
	}()
	c.tracer.count(1)
	released := letThrough(c.tracer.listener, n.id)
	if err != nil {
		c.tracer.handler.Blind(err)
	}
	if w == nil || released != nil { // the thread is gone, or it was another's socket
		if w != nil {
			w.close()
		}
		c.tracer.count(-1)
		return
	}
	if first := w.began.Add(firstLook); len(c.under) == 0 || first.Before(c.next) {
		c.next, c.pause = first, firstLook
	}
	c.under = append(c.under, w)
}

// prepare reads what can't be read later. It returns nil for sockets that are
// none of TCP, or have a port.
func (c *connects) prepare(n *notification) (*watched, error) {
	if n.tid == 0 {
		return nil, errUnseen
	}
	w := &watched{
		tid: int(n.tid), number: n.data.number, instruction: n.data.instruction,
		call: c.caller(int(n.tid)), began: time.Now(), ended: make(chan struct{}),
	}
	var err error
	if w.fd, err = borrowOf(w.tid, int(int32(n.data.arguments[0]))); err != nil {
		thread, _ := readStatus(w.tid)
		return nil, refused(thread, err)
	}
	protocol, _ := unix.GetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if protocol == unix.IPPROTO_TCP || protocol == unix.IPPROTO_MPTCP {
		length := uint64(uint32(n.data.arguments[2]))
		remote, ok := decodeSockaddr(readMemory(w.tid, n.data.arguments[1], length))
		w.call.Remote = remote.local
		own := sourceOf(w.fd)
		if ok && own.Port() == 0 && own.Addr().Is4() == w.call.Remote.Addr().Is4() {
			return w, nil
		}
	}
	unix.Close(w.fd)
	return nil, nil
}

// caller is the beginning of a call of a thread.
func (c *connects) caller(tid int) Call {
	if known, ok := c.callers[tid]; ok {
		return known
	}
	if c.callers == nil || len(c.callers) >= mostCallers {
		c.callers = make(map[int]Call)
	}
	call := Call{Op: Connect, Network: "tcp"}
	thread, _ := readStatus(tid)
	call.identify(thread)
	c.callers[tid] = call
	return call
}

// timeout is until the next look, nil if there is nothing to look at.
func (c *connects) timeout() *unix.Timespec {
	if len(c.under) == 0 {
		return nil
	}
	t := unix.NsecToTimespec(int64(max(0, time.Until(c.next))))
	return &t
}

// look looks at the connects when it is time.
func (c *connects) look() {
	now := time.Now()
	if len(c.under) == 0 || now.Before(c.next) {
		return
	}
	c.pause = min(c.pause*2, lastPause)
	c.next = now.Add(c.pause)
	c.settle(func(w *watched) (failed, known bool) { return c.outcome(w, false) })
}

// called looks at them when the thread with this id makes another call: its
// own is over. Others are only seen to have their port.
func (c *connects) called(tid int) {
	c.settle(func(w *watched) (failed, known bool) {
		if w.tid == tid {
			return c.outcome(w, true)
		}
		return false, w.changed()
	})
}

// settle sorts out the connects whose outcome is known.
func (c *connects) settle(outcome func(*watched) (failed, known bool)) {
	rest := c.under[:0]
	for _, w := range c.under {
		switch failed, known := outcome(w); {
		case !known:
			rest = append(rest, w)
		case failed:
			c.failed(w)
		default:
			w.close()
			c.tracer.count(-1)
		}
	}
	clear(c.under[len(rest):])
	c.under = rest
}

// outcome tells whether a connect has ended without a port, if that is known.
func (c *connects) outcome(w *watched, over bool) (failed, known bool) {
	if w.changed() {
		return false, true
	}
	if !over && w.syscalls == nil && w.schedule == nil {
		_, alive := readStatus(w.tid)
		if over = !alive; alive {
			w.open()
		}
	}
	if !over && !w.isOver(time.Since(w.began)) {
		return false, false
	}
	return !w.changed(), true // it may have got one since
}

// failed tells of a connect that got no port.
func (c *connects) failed(w *watched) {
	if thread, ok := readStatus(w.tid); ok && thread.state != 'Z' {
		w.call.identify(thread) // it may have another program since
		c.callers[w.tid] = w.call
	}
	c.tracer.options(w.fd, &w.call)
	w.call.Local = sourceOf(w.fd)
	if lent, err := unix.GetsockoptInt(w.fd, unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE); err == nil {
		w.call.FirstPort, w.call.LastPort = uint16(lent), uint16(uint32(lent)>>16)
	}
	w.close()
	before, told := c.told, make(chan struct{})
	c.told = told
	go func() {
		defer c.tracer.count(-1)
		defer close(told)
		if before != nil {
			<-before // they are told in their order
		}
		c.tracer.tellConnect(&w.call)
	}()
}

// tellConnect finds out whether a connect lacked a port, an address, or
// something else. The routes of another network can't be asked from here.
func (t *Tracer) tellConnect(call *Call) {
	defer func() {
		if failure := recover(); failure != nil {
			t.handler.Blind(fmt.Errorf("a connect could not be told of: %v", failure))
		}
	}()
	if call.OtherNetwork {
		return
	}
	switch route(call) {
	case nil, unix.EAGAIN:
	case unix.EADDRNOTAVAIL:
		call.NoAddress = true
	default:
		return
	}
	t.handler.Ended(call, true)
}

// close gives up.
func (c *connects) close() {
	for _, w := range c.under {
		w.close()
		c.tracer.count(-1)
	}
	c.under = nil
}

// borrowOf duplicates a descriptor of a thread whose process is not known. From
// Linux 6.9 on it need not be.
func borrowOf(tid, number int) (int, error) {
	process, err := unix.PidfdOpen(tid, pidfdThread)
	if err == unix.EINVAL {
		thread, ok := readStatus(tid)
		if !ok {
			return -1, unix.ESRCH
		}
		return borrow(thread.tgid, tid, number)
	}
	if err != nil {
		return -1, err
	}
	defer unix.Close(process)
	return unix.PidfdGetfd(process, number, 0)
}

// readStatus returns false for a thread that has ended.
func readStatus(tid int) (status, bool) {
	text, err := os.ReadFile(procPath(tid, "status"))
	s, ok := parseStatus(text)
	return s, ok && err == nil
}

// route is the error of finding a route and a source address as the call has
// to. A connect of a UDP socket does no more than that, and sends nothing. It
// needs a port for that too: EAGAIN if there is none.
func route(c *Call) error {
	remote, local := c.Remote.Addr().Unmap(), c.Local.Addr().Unmap()
	family := unix.AF_INET
	if remote.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if c.Device != "" {
		err = unix.BindToDevice(fd, c.Device)
	}
	if local.IsValid() && !local.IsUnspecified() {
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1))
		if bound := unix.Bind(fd, systemAddress(local, 0)); bound != nil {
			return bound
		}
	}
	if err != nil {
		return err
	}
	return unix.Connect(fd, systemAddress(remote, max(1, c.Remote.Port())))
}
