package diagnose_test

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// readCounts is what comes of snapshots that netstate.Read took, instead of
// the generator's own knowledge.
type readCounts struct {
	cases, disagree, unknown int
	// completed counts apart the cases in which the generator has put in the
	// options of sockets that nobody has open: no reader can know those.
	completed struct{ disagree, unknown int }
	elapsed   time.Duration
}

// read takes a snapshot of the trial's port, as whoever makes the request.
func (d *differential) read(t *trial, c *recordedCase) *netstate.Snapshot {
	began := time.Now()
	query := netstate.Query{Endpoints: []netstate.Endpoint{
		{Network: netstate.TCP, Port: t.port}, {Network: netstate.UDP, Port: t.port},
	}}
	s, err := netstate.Read(context.Background(), query)
	if err != nil {
		d.Fatal(err)
	}
	d.reads.elapsed += time.Since(began)
	s.Policy.UID, s.Policy.BindPrivileged = &c.Request.UID, new(c.Request.UID == 0)
	if len(c.Request.PortRange) == 2 { // IP_LOCAL_PORT_RANGE
		s.Policy.EphemeralPorts = &netstate.PortRange{First: c.Request.PortRange[0], Last: c.Request.PortRange[1]}
	}
	return s
}

// compareRead compares what is predicted from a snapshot that was read.
func (d *differential) compareRead(t *trial, c *recordedCase, s *netstate.Snapshot) {
	d.reads.cases++
	p, wrong, unknown := d.judge(t, c, s)
	if unknown {
		d.reads.unknown++
	}
	if wrong {
		d.reads.disagree++
		d.Errorf("predicted from what was read: %+v\n%s\n%+v", p, c.line(), s.Sockets)
		return
	}
	complete(s, c.Setup)
	p, wrong, unknown = d.judge(t, c, s)
	if unknown {
		d.reads.completed.unknown++
		if p.Missing != "the order in which the port's SO_REUSEPORT sockets were bound" {
			d.Errorf("unknown although all is known: %+v\n%s\n%+v", p, c.line(), s.Sockets)
		}
	}
	if wrong {
		d.reads.completed.disagree++
		d.Errorf("predicted from what was read and completed: %+v\n%s\n%+v", p, c.line(), s.Sockets)
	}
}

func (d *differential) judge(t *trial, c *recordedCase, s *netstate.Snapshot) (p diagnose.Prediction, wrong, unknown bool) {
	if c.Request.Op == "listen" {
		inode := t.inodes[c.Request.ID]
		i := slices.IndexFunc(s.Sockets, func(e netstate.Socket) bool { return e.Inode == inode })
		if i < 0 {
			d.Errorf("socket %d is not in the snapshot\n%s", c.Request.ID, c.line())
			return p, true, false
		}
		p = diagnose.PredictListen(s, i)
	} else {
		p = diagnose.Predict(s, c.request())
	}
	bind, listen := c.outcome()
	switch {
	case p.Bind == diagnose.ResultUnknown || p.Listen == diagnose.ResultUnknown:
		return p, false, true
	case p.Bind == bind && p.Listen == listen || t.remembered(c, p):
		return p, false, false
	}
	return p, true, false
}

// complete puts the options of sockets that nobody has open into the rows that
// lack them. Rows that are alike may be swapped: it makes no difference.
func complete(s *netstate.Snapshot, setup []recordedSocket) {
	taken := make([]bool, len(setup))
	for i := range s.Sockets {
		e := &s.Sockets[i]
		if e.Inode != 0 {
			continue
		}
		for j := range setup {
			r := setup[j].socket()
			if taken[j] || r.Inode != 0 || r.Network != e.Network || r.State != e.State || r.Local != netip.AddrPortFrom(e.Local.Addr().WithZone(""), e.Local.Port()) {
				continue
			}
			taken[j] = true
			e.Options.ReuseAddr, e.Options.ReusePort, e.Options.V6Only = r.Options.ReuseAddr, r.Options.ReusePort, r.Options.V6Only
			break
		}
	}
}
