package diagnose_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// compose makes a random request for the trial's port, and the settings that
// it is made under.
func (t *trial) compose() *recordedCase {
	c := &recordedCase{Env: recordedEnv{Local: testAddresses, UnprivilegedPortStart: 1024}}
	for _, s := range t.sockets {
		c.Setup = append(c.Setup, s.recordedSocket)
	}
	if t.chance(14) {
		if s := t.bindable(); s != nil {
			c.Request = recordedRequest{Op: "listen", ID: s.ID, Port: t.port}
			return c
		}
	}
	c.Request = t.request()
	switch {
	case t.port < lastLowPort && t.chance(12):
		c.Env.UnprivilegedPortStart = int(t.port) + 1
	case t.port >= firstHighPort && t.chance(5):
		c.Request.Port, c.Request.PortRange = 0, []uint16{t.port, t.port}
		c.Env.AutobindReuse = t.chance(2)
		if t.chance(4) {
			c.Env.ReservedPort = t.port
		}
	}
	c.Env.NonlocalBind = t.chance(30)
	return c
}

// bindable is a socket that may begin to listen.
func (t *trial) bindable() *trialSocket {
	var candidates []*trialSocket
	for _, s := range t.sockets {
		if s.State == "bound" || s.State == "closed" {
			candidates = append(candidates, s)
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	return pick(t.Rand, candidates)
}

func (t *trial) request() recordedRequest {
	r := recordedRequest{
		Op: "bind", Proto: pick(t.Rand, []string{"tcp", "tcp", "udp"}), Addr: pick(t.Rand, requested4), Port: t.port,
		ReuseAddr: t.chance(2), ReusePort: t.chance(2), FreeBind: t.chance(40), UID: t.user(),
	}
	if t.chance(2) {
		r.Addr, r.V6Only = pick(t.Rand, requested6), t.chance(3)
	}
	r.Family = familyOf(r.Addr)
	if len(t.sockets) > 0 && t.chance(3) { // Right on top of one.
		s := pick(t.Rand, t.sockets)
		r.Proto, r.Family, r.Addr = s.Proto, s.Family, s.Addr
	}
	switch t.IntN(12) {
	case 0, 1:
		r.Dev = "lo"
	case 2:
		r.Dev = testDevice
	}
	if (r.Addr.IsLinkLocalUnicast() || r.Addr.IsLinkLocalMulticast()) && t.chance(2) {
		r.Scope = pick(t.Rand, []string{"lo", testDevice, testDevice})
	}
	return r
}

// settings writes the sysctls of a case, and writes them back.
type settings struct {
	tb      testing.TB
	current map[string]string
}

func (s *settings) set(env *recordedEnv) {
	flag := map[bool]string{true: "1", false: "0"}
	reserved := "\n"
	if env.ReservedPort != 0 {
		reserved = strconv.Itoa(int(env.ReservedPort))
	}
	s.write("ipv4/ip_unprivileged_port_start", strconv.Itoa(env.UnprivilegedPortStart))
	s.write("ipv4/ip_nonlocal_bind", flag[env.NonlocalBind])
	s.write("ipv6/ip_nonlocal_bind", flag[env.NonlocalBind])
	s.write("ipv4/ip_autobind_reuse", flag[env.AutobindReuse])
	s.write("ipv4/ip_local_reserved_ports", reserved)
}

// write leaves out what is set already.
func (s *settings) write(path, value string) {
	if s.current[path] != value {
		setSysctl(s.tb, path, value)
		s.current[path] = value
	}
}

// ask makes the request and notes the kernel's answers in the case.
func (t *trial) ask(c *recordedCase) error {
	if c.Request.Op == "listen" {
		c.Bind, c.Listen = "-", errnoName(unix.Listen(t.socket(c.Request.ID).fd, 8))
		return nil
	}
	var err error
	c.Bind, c.Listen, err = t.bindOnce(&c.Request)
	return err
}

func (t *trial) socket(id int) *trialSocket {
	i := slices.IndexFunc(t.sockets, func(s *trialSocket) bool { return s.ID == id })
	return t.sockets[i]
}

// bindOnce makes a bind, and a listen if it is TCP and succeeds, and undoes
// both.
func (t *trial) bindOnce(r *recordedRequest) (bind, listen string, err error) {
	bind, listen = "-", "-"
	err = as(r.UID, func() error {
		o := socketOptions{reuseAddr: r.ReuseAddr, reusePort: r.ReusePort, v6only: r.V6Only, freeBind: r.FreeBind, device: r.Dev}
		if len(r.PortRange) == 2 {
			o.portRange = [2]uint16(r.PortRange)
		}
		fd, err := openSocket(r.Proto, r.Family, o)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		scope := map[string]int{"": 0, "lo": 1, testDevice: t.device}[r.Scope]
		bind = errnoName(unix.Bind(fd, sockaddr(r.Family, netip.AddrPortFrom(r.Addr, r.Port), scope)))
		if bind == "ok" && r.Proto == "tcp" {
			listen = errnoName(unix.Listen(fd, 8))
		}
		return nil
	})
	return bind, listen, err
}

// checkBlockers asks the kernel again: with one of the culprits left the bind
// still fails, without any it succeeds. Connections can't be taken away, so a
// case with one among the culprits is not checked, and neither is SO_REUSEPORT,
// of which the kernel remembers more than there is.
func (t *trial) checkBlockers(c *recordedCase) error {
	if c.Bind != "EADDRINUSE" || c.Request.ReusePort || len(c.Blockers) == 0 {
		return nil
	}
	for _, id := range c.Blockers {
		switch t.socket(id).State {
		case "bound", "listen", "unconnected":
		default:
			return nil
		}
	}
	left := pick(t.Rand, c.Blockers)
	for _, id := range c.Blockers {
		if id != left {
			t.drop(t.socket(id))
		}
	}
	one, _, err := t.bindOnce(&c.Request)
	t.drop(t.socket(left))
	none, _, err2 := t.bindOnce(&c.Request)
	if err != nil || err2 != nil || one != "EADDRINUSE" || none != "ok" {
		return fmt.Errorf("with only socket %d left: %s; without all of %v: %s (%v, %v)", left, one, c.Blockers, none, err, err2)
	}
	c.BlockersCheck = "ok"
	return nil
}
