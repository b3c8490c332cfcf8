package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// What check can wait for.
const (
	untilFree = "free"
	untilOpen = "open"
)

const (
	// dialTimeout bounds one attempt to connect.
	dialTimeout = time.Second
	// maxDials is the number of attempts at a time.
	maxDials = 64
)

// opened are the answers to whether something listens on the targets.
func (k *checkup) opened(ctx context.Context, s *netstate.Snapshot, reports []*diagnose.Report) []checked {
	open, reasons := k.lookForListeners(s, reports)
	if k.connect {
		open, reasons = k.dialAll(ctx)
	}
	results := make([]checked, len(reports))
	for i, report := range reports {
		results[i] = checked{
			checkTarget: k.at(i),
			report:      report,
			verdict:     "closed",
			reason:      reasons[i],
			status:      exitBlocked,
			open:        &open[i],
		}
		if open[i] {
			results[i].verdict, results[i].status = untilOpen, exitFree
		}
	}
	return results
}

// lookForListeners looks into the tables of sockets and says who listens, or
// what is there instead.
func (k *checkup) lookForListeners(s *netstate.Snapshot, reports []*diagnose.Report) (open []bool, reasons []string) {
	asked := questions(k.subjects, k.question, s)
	open, reasons = make([]bool, len(asked)), make([]string, len(asked))
	newPanel(s, asked).each(func(w *worker) {
		for _, i := range w.group {
			open[i] = listens(&w.part, asked[i])
			reasons[i] = reasonOf(reports[i], &k.subjects[i])
			if !open[i] {
				reasons[i] = nothingListens(reports[i], reasons[i])
			}
		}
	})
	return open, reasons
}

// nothingListens says so, and what there is instead of a listener.
func nothingListens(report *diagnose.Report, reason string) string {
	if len(report.Causes) > 0 && report.Causes[0].ID == "address-not-local" {
		return reason + "; --connect asks another machine"
	}
	if report.Verdict == diagnose.Free || reason == "" {
		return "nothing listens"
	}
	return "nothing listens: " + reason
}

// listens tells whether a socket takes what is sent to the address that is
// asked about, to any address where it is about both wildcards.
func listens(s *netstate.Snapshot, q diagnose.Question) bool {
	if q.Network == netstate.Unix {
		return slices.ContainsFunc(s.Unix, func(u netstate.UnixSocket) bool {
			return u.Path == q.Path && (u.State == netstate.StateListen || u.State == netstate.StateUnconnected)
		})
	}
	return slices.ContainsFunc(s.Sockets, func(e netstate.Socket) bool {
		if e.Network != q.Network || e.Local.Port() != q.Port ||
			e.State != netstate.StateListen && e.State != netstate.StateUnconnected {
			return false
		}
		asked := q.Addresses
		if len(asked) == 0 && q.Address.IsValid() {
			asked = []netip.Addr{q.Address}
		}
		return len(asked) == 0 || slices.ContainsFunc(asked, func(a netip.Addr) bool { return reaches(e, a) })
	})
}

// reaches tells whether what is sent to the address gets to the socket.
func reaches(e netstate.Socket, address netip.Addr) bool {
	local := e.Local.Addr().WithZone("").Unmap()
	address = address.WithZone("").Unmap()
	switch {
	case address.IsUnspecified() || local == address:
		return true
	case local == netip.IPv6Unspecified():
		return address.Is6() || e.Options.V6Only == nil || !*e.Options.V6Only
	}
	return local.IsUnspecified() && local.Is4() == address.Is4()
}

// dialAll connects to every target, and hangs up at once.
func (k *checkup) dialAll(ctx context.Context) (open []bool, reasons []string) {
	open, reasons = make([]bool, len(k.subjects)), make([]string, len(k.subjects))
	slots := make(chan struct{}, maxDials)
	var wait sync.WaitGroup
	for i, t := range k.subjects {
		slots <- struct{}{}
		wait.Go(func() {
			err := t.dial(ctx)
			open[i] = err == nil
			reasons[i] = dialReason(err)
			<-slots
		})
	}
	wait.Wait()
	return open, reasons
}

// dial connects to the first address of a subject that answers. Both
// wildcards stand for this machine.
func (s subject) dial(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var dialer net.Dialer
	if s.network == netstate.Unix {
		return hangUp(dialer.DialContext(ctx, "unix", s.path))
	}
	addresses := s.addresses
	if len(addresses) == 0 {
		addresses = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	var first error
	for _, address := range addresses {
		err := hangUp(dialer.DialContext(ctx, "tcp", net.JoinHostPort(address.String(), strconv.Itoa(int(s.port)))))
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func hangUp(conn net.Conn, err error) error {
	if err != nil {
		return err
	}
	return conn.Close()
}

// dialReason says in a few words why a connection failed.
func dialReason(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer within " + dialTimeout.String()
	case errors.As(err, &errno):
		return errno.Error()
	}
	return err.Error()
}
