package diagnose_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"portdoc/diagnose"
	"portdoc/netstate"
	"portdoc/netstate/netstatetest"
)

var (
	differentialDuration = flag.Duration("differential.duration", 0, "how long to compare predictions with this kernel (20s; 5s with -short)")
	differentialSeed     = flag.Uint64("differential.seed", 0, "seed of the random cases; 0 takes one from the clock")
	differentialCases    = flag.Int("differential.cases", 0, "how many cases to compare at most; 0 for as many as there is time for")
	differentialRecord   = flag.String("differential.record", "", "file to write the cases to, packed with gzip, in the format of TestRecordedCases")
)

// TestDifferential compares predictions with what the running kernel answers:
// random sockets in random states, and a random bind or listen.
//
// Each case is predicted from a snapshot made of what the test knows about its
// own sockets, and that is the count in the last line. Half of the time goes
// into cases that are predicted from a snapshot by netstate.Read as well,
// counted apart: as read, and with the options put in that no reader can know,
// those of TIME_WAIT and other sockets that nobody has open.
func TestDifferential(t *testing.T) {
	d := newDifferential(t)
	for d.more() {
		d.inOwnNetwork()
		d.inNewNetwork()
	}
	d.summary()
}

// differential counts what a run finds.
type differential struct {
	*testing.T
	random          *rand.Rand
	users           []uint32
	began, deadline time.Time
	record          io.Writer

	settings settings
	device   int

	cases, disagree, unknown, history, dropped, checked int
	reasons                                             map[string]int
	reads                                               readCounts
}

func newDifferential(t *testing.T) *differential {
	seed, duration := *differentialSeed, *differentialDuration
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	switch {
	case duration != 0:
	case testing.Short():
		duration = 5 * time.Second
	default:
		duration = 20 * time.Second
	}
	fmt.Printf("differential test: seed %d, for %s\n", seed, duration)
	now := time.Now()
	d := &differential{T: t, random: rand.New(rand.NewPCG(seed, 1)), began: now, deadline: now.Add(duration), reasons: map[string]int{}}
	d.users = []uint32{0, 0, 1001, 1002}
	if netstatetest.Ordinary() {
		d.users = []uint32{0}
		t.Log("an ordinary user has one user id in a user namespace: binds by two users are not compared")
	}
	if *differentialRecord != "" {
		file, err := os.Create(*differentialRecord)
		if err != nil {
			t.Fatal(err)
		}
		packed := gzip.NewWriter(file)
		d.record = packed
		t.Cleanup(func() {
			if err := errors.Join(packed.Close(), file.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	return d
}

func (d *differential) more() bool {
	enough := *differentialCases > 0 && d.cases >= *differentialCases
	return !enough && time.Now().Before(d.deadline) && !d.Failed()
}

// turn is how long trials run in one network.
const turn = 8 * time.Second

// inNewNetwork runs trials in a new network namespace, in which no port has a
// past. It is that of one thread, and netstate.Read uses several.
func (d *differential) inNewNetwork() {
	d.onThread(func() {
		newNetwork(d)
		d.enter()
		var ports uint16
		for until := d.turnEnd(); d.more() && time.Now().Before(until) && ports < lastHighPort-firstHighPort; {
			d.trial(&ports, false)
		}
	})
}

// inOwnNetwork runs trials in the process's network namespace, and reads them.
func (d *differential) inOwnNetwork() {
	d.onThread(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		ownNetwork.furnish.Do(func() { furnish(d) })
		d.enter()
		for until := d.turnEnd(); d.more() && time.Now().Before(until); {
			d.trial(&ownNetwork.ports, true)
			ownNetwork.ports %= lastHighPort - firstHighPort
		}
	})
}

// turnEnd is when the next network has its turn: each has half of a short run.
func (d *differential) turnEnd() time.Time {
	now := time.Now()
	return now.Add(min(turn, d.deadline.Sub(d.began)/2))
}

// onThread waits for something that may spoil its thread.
func (d *differential) onThread(run func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		run()
	}()
	<-done
}

// enter prepares the settings of the thread's network.
func (d *differential) enter() {
	d.device = deviceIndex(d, testDevice)
	d.settings = settings{d, map[string]string{}}
	d.settings.write("ipv4/ip_local_port_range", ephemeralRange)
}

// nextPort is one that no trial in this network has had of late. Low and high
// ones take turns: only low ones can be made privileged, and only high ones
// are in the ephemeral range.
func nextPort(given *uint16) uint16 {
	*given++
	if *given%3 == 0 {
		return firstHighPort + *given
	}
	return firstLowPort + *given
}

func (d *differential) trial(ports *uint16, reads bool) {
	t := &trial{Rand: d.random, port: nextPort(ports), users: d.users, device: d.device, inodes: map[int]uint64{}}
	defer t.release()
	d.settings.set(&recordedEnv{UnprivilegedPortStart: 1024})
	if err := t.setUp(); err != nil {
		d.dropped++
		reason, _, _ := strings.Cut(err.Error(), "\n")
		d.reasons["dropped: "+reason]++
		return
	}
	c := t.compose()
	d.cases++
	c.ID = fmt.Sprintf("%06d", d.cases)
	d.settings.set(&c.Env)
	s := c.snapshot()
	var read *netstate.Snapshot
	if reads {
		read = d.read(t, c)
	}
	if err := t.ask(c); err != nil {
		d.Fatalf("%s: %v", c.line(), err)
	}
	d.compare(t, c, c.predict(s))
	if c.Request.Op == "bind" {
		if err := checkProperties(s, c.request(), uint64(d.cases)); err != nil {
			d.disagree++
			d.Errorf("%v\n%s", err, c.line())
		}
	}
	if read != nil {
		d.compareRead(t, c, read)
	}
}

func (d *differential) compare(t *trial, c *recordedCase, p diagnose.Prediction) {
	for _, i := range p.Culprits {
		c.Blockers = append(c.Blockers, c.Setup[i].ID)
	}
	slices.Sort(c.Blockers)
	bind, listen := c.outcome()
	switch {
	case p.Bind == diagnose.ResultUnknown || p.Listen == diagnose.ResultUnknown:
		d.unknown++
		d.reasons["unknown: "+p.Missing]++
		c.Blockers = nil
	case p.Bind == bind && p.Listen == listen:
	case t.remembered(c, p):
		d.history++
		c.HistorySensitive, c.Blockers = true, nil
	default:
		d.disagree++
		d.Errorf("predicted: %+v\n%s", p, c.line())
	}
	if err := t.checkBlockers(c); err != nil {
		d.disagree++
		d.Errorf("culprits: %v\n%s", err, c.line())
	}
	if c.BlockersCheck != "" {
		d.checked++
	}
	if d.record != nil {
		fmt.Fprintln(d.record, c.line())
	}
}

func (d *differential) summary() {
	for reason, n := range d.reasons {
		d.Logf("%d times %s", n, reason)
	}
	fmt.Printf("%d more depend on binds that left no trace, %d were dropped half-way, the culprits of %d were checked\n", d.history, d.dropped, d.checked)
	d.Logf("%d snapshots read, %s each", d.reads.cases, (d.reads.elapsed / time.Duration(max(1, d.reads.cases))).Round(time.Microsecond))
	fmt.Printf("as netstate.Read sees it: %d cases, %d disagree, %d unknown; with the options of ownerless sockets put in: %d disagree, %d unknown\n",
		d.reads.cases, d.reads.disagree, d.reads.unknown, d.reads.completed.disagree, d.reads.completed.unknown)
	fmt.Printf("%d cases, %d disagree, %d unknown\n", d.cases, d.disagree, d.unknown)
	if d.cases == 0 || d.dropped > d.cases {
		d.Errorf("too few cases: %d, and %d dropped", d.cases, d.dropped)
	}
	if d.unknown*100 > d.cases && d.cases > 20000 { // Fewer cases may be unlucky.
		d.Errorf("%d of %d cases are unknown", d.unknown, d.cases)
	}
}

// line is the case as a line of a file that TestRecordedCases reads.
func (c *recordedCase) line() string {
	line, err := json.Marshal(c)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(line))
}

// remembered tells whether a success that was not predicted comes from a bind
// that the kernel remembers and nothing shows: its socket is closed, or its
// address or options have changed.
func (t *trial) remembered(c *recordedCase, p diagnose.Prediction) bool {
	n := binder{address: c.Request.Addr, v6only: c.Request.V6Only, reusePort: c.Request.ReusePort, uid: c.Request.UID}
	proto := c.Request.Proto
	if c.Request.Op == "listen" {
		s := t.socket(c.Request.ID)
		n = binder{address: s.Addr, v6only: s.V6Only, reusePort: s.ReusePort, uid: s.UID}
		proto = s.Proto
	}
	if bind, listen := c.outcome(); bind == "EADDRINUSE" || listen == "EADDRINUSE" || proto != "tcp" || !n.reusePort {
		return false
	}
	if p.Bind != "EADDRINUSE" && p.Listen != "EADDRINUSE" {
		return false
	}
	// What was changed may also be the option that let two sockets be bound
	// in the order in which they were.
	changed := slices.ContainsFunc(c.Setup, func(s recordedSocket) bool { return s.Proto == "tcp" && s.Changed })
	return slices.ContainsFunc(t.binders, func(b binder) bool {
		return b.reusePort && b.uid == n.uid && b.covers(n) && (changed || b.id == c.Request.ID || !t.shows(c, b))
	})
}

// covers is the kernel's comparison of a remembered address with a new one
// (sk_reuseport_match in net/ipv4/inet_connection_sock.c).
func (b binder) covers(n binder) bool {
	four := func(a netip.Addr) bool { return a.Unmap().Is4() }
	switch {
	case b.address == netip.IPv6Unspecified():
		return !b.v6only || !four(n.address)
	case b.address.Unmap() == netip.IPv4Unspecified():
		return four(n.address) || b.address.Is4() && n.address == netip.IPv6Unspecified() && !n.v6only
	}
	return b.address.Unmap() == n.address.Unmap()
}

// shows tells whether the setup has the socket as it was when it was bound.
func (t *trial) shows(c *recordedCase, b binder) bool {
	return slices.ContainsFunc(c.Setup, func(s recordedSocket) bool {
		return s.ID == b.id && s.Addr == b.address && s.ReusePort
	})
}
