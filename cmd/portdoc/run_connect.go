package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"portdoc/cmd/portdoc/internal/trace"
	"portdoc/diagnose"
	"portdoc/netstate"
)

// connectPause is how long connects that failed for another reason than want
// of ports are not looked into again.
const connectPause = time.Second

// connectFailed tells once of the connects that found no source port or
// address, whatever their destinations.
func (r *runReporter) connectFailed(call *trace.Call) {
	key := connectKey(call)
	if r.tooSoon(key) || r.again(key) {
		return
	}
	if call.NoAddress {
		r.say(callHeader(call) + ": no interface has an " + familyOf(call) + " address that it could come from (EADDRNOTAVAIL)")
		return
	}
	ports, err := sourcePortsOf(r.ctx, call)
	if err != nil || ports == nil {
		r.takeBack(key)
		return
	}
	r.tellConnect(call, ports)
}

// connectKey is the same for connects that lack the same, whoever makes them:
// all programs take their ports out of one range.
func connectKey(call *trace.Call) string {
	what := "a source port"
	if call.NoAddress {
		what = "an " + familyOf(call) + " source address"
	}
	return "connect for want of " + what
}

func familyOf(call *trace.Call) string {
	if callAddress(call).Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// tooSoon tells whether such a connect has just been looked into in vain.
func (r *runReporter) tooSoon(key string) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return time.Since(r.inVain[key]) < connectPause
}

// takeBack forgets a failure that is not told after all.
func (r *runReporter) takeBack(key string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.inVain[key] = time.Now()
	delete(r.repeats, key)
	r.order = slices.DeleteFunc(r.order, func(k string) bool { return k == key })
}

// tellConnect writes what is known about the source ports.
func (r *runReporter) tellConnect(call *trace.Call, ports *sourcePorts) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	note := "source port was left (EADDRNOTAVAIL): " + ports.text()
	r.reports++
	report := ports.report
	if r.reports > mostReports || report == nil || report.Verdict != diagnose.Blocked {
		r.say(callHeader(call) + ": no " + note)
		return
	}
	p := &page{layout: r.layout, report: report}
	p.paragraph("", sentence("No "+note))
	p.line("")
	p.verdict()
	p.why()
	p.remedies()
	r.write("\nportdoc: " + diagnose.Printable(callHeader(call)) + "\n\n" + setOff(p.String()) + "\n")
}

// sourcePorts says how the ports are used that a connect could have come from.
type sourcePorts struct {
	remote          netip.AddrPort
	limited         bool // by the program
	available, used int
	// toRemote counts the ports with a connection to the same destination, by
	// the state of that.
	toRemote map[netstate.State]int
	// report is what is to say of a bind to port 0, nil if limited.
	report *diagnose.Report
}

// sourcePortsOf reads the sockets that have the ports. It returns nil if enough
// are left.
func sourcePortsOf(ctx context.Context, call *trace.Call) (*sourcePorts, error) {
	p := &sourcePorts{remote: netip.AddrPortFrom(callAddress(call), call.Remote.Port()), limited: call.FirstPort|call.LastPort != 0}
	s, err := netstate.Read(ctx, netstate.Query{Endpoints: []netstate.Endpoint{{Network: netstate.TCP}}})
	if err != nil || s.Policy.EphemeralPorts == nil {
		return nil, err
	}
	lent := *s.Policy.EphemeralPorts
	switch use := s.Ephemeral; {
	case p.limited:
		lent = narrowed(lent, call)
	case use == nil || !exhausted(use.Used, use.Available):
		return nil, nil
	}
	p.available = freely(lent, s.Policy.ReservedPorts)
	s, err = netstate.Read(ctx, netstate.Query{Endpoints: []netstate.Endpoint{{Network: netstate.TCP, Port: lent.First, LastPort: lent.Last}}})
	if err != nil {
		return nil, err
	}
	if p.count(s, lent); !exhausted(p.used, p.available) {
		return nil, nil
	}
	if !p.limited {
		p.report, err = asked{word: sourceTarget(call), call: call, probe: ownRights(call)}.report(ctx)
	}
	return p, err
}

// exhausted tells whether no port was left. Some may have been given back since.
func exhausted(used, available int) bool {
	return available > 0 && available-used <= available/100
}

// sourceTarget is the target of a bind that looks for a port as a connect does.
func sourceTarget(call *trace.Call) string {
	host := netip.IPv4Unspecified()
	if callAddress(call).Is6() {
		host = netip.IPv6Unspecified()
	}
	return target{network: netstate.TCP, host: host.String()}.String()
}

// narrowed is the range within the limits of the program, 0 for none. Limits
// that lie outside are taken for none (inet_sk_get_local_port_range in
// net/ipv4/inet_connection_sock.c, Linux 6.18).
func narrowed(lent netstate.PortRange, call *trace.Call) netstate.PortRange {
	if call.FirstPort != 0 && lent.Contains(call.FirstPort) {
		lent.First = call.FirstPort
	}
	if call.LastPort != 0 && lent.Contains(call.LastPort) {
		lent.Last = call.LastPort
	}
	return lent
}

// freely counts the ports that are not reserved.
func freely(ports netstate.PortRange, reserved []netstate.PortRange) (n int) {
	for port := int(ports.First); port <= int(ports.Last); port++ {
		if !slices.ContainsFunc(reserved, func(r netstate.PortRange) bool { return r.Contains(uint16(port)) }) {
			n++
		}
	}
	return n
}

// count looks at each socket with one of the ports.
func (p *sourcePorts) count(s *netstate.Snapshot, lent netstate.PortRange) {
	var taken, toRemote [1 << 16]bool
	p.toRemote = make(map[netstate.State]int)
	for i := range s.Sockets {
		socket := &s.Sockets[i]
		port := socket.Local.Port()
		reserved := func(r netstate.PortRange) bool { return r.Contains(port) }
		if !lent.Contains(port) || slices.ContainsFunc(s.Policy.ReservedPorts, reserved) {
			continue
		}
		if !taken[port] {
			taken[port] = true
			p.used++
		}
		if remote := socket.Remote; !toRemote[port] && remote.Port() == p.remote.Port() && remote.Addr().Unmap() == p.remote.Addr() {
			toRemote[port] = true
			p.toRemote[socket.State]++
		}
	}
}

// text says how many ports are used, and for what.
func (p *sourcePorts) text() string {
	text := fmt.Sprintf("%d of %d are taken", p.used, p.available)
	if p.limited {
		text = fmt.Sprintf("the program allows the socket few (IP_LOCAL_PORT_RANGE), and %d of %d are taken", p.used, p.available)
	}
	var states []string
	all := 0
	for state, n := range p.toRemote {
		all += n
		states = append(states, fmt.Sprintf("%d %s", n, state))
	}
	if all == 0 {
		return text
	}
	slices.Sort(states)
	return fmt.Sprintf("%s, %d by connections to %s (%s)", text, all, p.remote, strings.Join(states, ", "))
}
