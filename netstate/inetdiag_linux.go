package netstate

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// exchangeTimeout bounds one exchange with the kernel where the context
	// has no deadline. The largest table measured, of 500,000 sockets, takes
	// a quarter of a second.
	exchangeTimeout = 5 * time.Second
	// dumpBufferLength is the most that the kernel puts into one part of a
	// dump (netlink_dump in net/netlink/af_netlink.c).
	dumpBufferLength = 32 << 10
	// maxLookups bounds how many sockets are asked for one by one.
	maxLookups = 16
	// maxDumps bounds how often an interrupted dump is repeated.
	maxDumps = 5
)

var (
	// errInterrupted: the kernel says that its tables changed in a way that
	// may have hidden a row of the dump (NLM_F_DUMP_INTR).
	errInterrupted = errors.New("the dump was interrupted")
	// errUnstable: each of maxDumps dumps was interrupted.
	errUnstable = errors.New("every dump was interrupted")
)

// inetDiag is a connection to the kernel's NETLINK_SOCK_DIAG.
type inetDiag struct {
	ctx  context.Context
	conn *netlink.Conn
	stop func() bool
	// release is the kernel's version string.
	release    string
	interfaces map[uint32]string
}

// dialInetDiag opens a connection that lives as long as the context.
func dialInetDiag(ctx context.Context) (*inetDiag, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, &netlink.Config{MessageBufferSize: dumpBufferLength})
	if err != nil {
		return nil, err
	}
	return newInetDiag(ctx, conn, kernelRelease()), nil
}

func newInetDiag(ctx context.Context, conn *netlink.Conn, release string) *inetDiag {
	d := &inetDiag{ctx: ctx, conn: conn, release: release}
	d.stop = context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	return d
}

// kernelRelease is "" where uname(2) is refused.
func kernelRelease() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}

func (d *inetDiag) close() {
	d.stop()
	d.conn.Close()
}

// setDeadline gives the next exchange its time. An error of it is left to the
// exchange, which has it too.
func (d *inetDiag) setDeadline() {
	deadline, ok := d.ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(exchangeTimeout)
	}
	d.conn.SetDeadline(deadline)
}

// failure is the context's error where that is the reason for err.
func (d *inetDiag) failure(err error) error {
	if canceled := d.ctx.Err(); canceled != nil {
		return canceled
	}
	if _, ok := d.ctx.Deadline(); ok && errors.Is(err, os.ErrDeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

// dump sends a request and hands each row of the answer to row. After
// errInterrupted all rows have been seen, and one may have been missed.
func (d *inetDiag) dump(request netlink.Message, network Network, row func(inetDiagRow)) error {
	d.setDeadline()
	if _, err := d.conn.Send(request); err != nil {
		return d.failure(err)
	}
	interrupted := false
	for message, err := range d.conn.ReceiveIter() {
		if err != nil {
			return d.failure(err)
		}
		interrupted = interrupted || message.Header.Flags&netlink.DumpInterrupted != 0
		socket, err := parseInetDiag(network, message.Data, d.interfaceName)
		if err != nil {
			return err
		}
		row(socket)
	}
	if interrupted {
		return errInterrupted
	}
	return nil
}

// dumpAll dumps all sockets of one network that have one of the ports.
func (d *inetDiag) dumpAll(network Network, ports portSet, extensions uint8, row func(inetDiagRow)) error {
	if network == TCP {
		return d.dump(tcpDump(diagStatesAll, extensions, ports), TCP, row)
	}
	err4 := d.dump(udpDump(linuxAFInet, ports), UDP, row)
	if err4 != nil && !errors.Is(err4, errInterrupted) {
		return err4
	}
	if err := d.dump(udpDump(linuxAFInet6, ports), UDP, row); err != nil {
		return err
	}
	return err4
}

// collect returns the sockets on the ports, from a dump that nothing
// interrupted. With errUnstable it returns the last dump as it was.
func (d *inetDiag) collect(network Network, ports portSet, extensions uint8) ([]Socket, error) {
	var sockets []Socket
	var inFlight map[int]tcpCounts
	for range maxDumps {
		sockets, inFlight = sockets[:0], make(map[int]tcpCounts)
		err := d.dumpAll(network, ports, extensions, func(row inetDiagRow) {
			if !ports.contains(row.Local.Port()) {
				return
			}
			if row.inFlight != nil && len(inFlight) < maxLookups {
				inFlight[len(sockets)] = *row.inFlight
			}
			sockets = append(sockets, row.Socket)
		})
		if err == nil {
			return sockets, d.setOrigins(sockets, inFlight)
		}
		if !errors.Is(err, errInterrupted) {
			return nil, err
		}
	}
	return sockets, errUnstable
}

// setOrigins reads the sockets that have something in flight, by their index,
// once more. Only where the counts are all what they were before do they
// belong together.
func (d *inetDiag) setOrigins(sockets []Socket, inFlight map[int]tcpCounts) error {
	for i, counts := range inFlight {
		s := &sockets[i]
		again, found, err := d.lookUp(s.Local, s.Remote, s.Device)
		if err != nil {
			return err
		}
		if found && again.inFlight != nil && *again.inFlight == counts && again.Cookie == s.Cookie {
			s.Origin = counts.origin(again.State)
		}
	}
	return nil
}

// interfaceName is the name of an interface, or its number in decimal if it
// has none any more.
func (d *inetDiag) interfaceName(index uint32) string {
	if name, ok := d.interfaces[index]; ok {
		return name
	}
	name := strconv.FormatUint(uint64(index), 10)
	if device, err := net.InterfaceByIndex(int(index)); err == nil {
		name = device.Name
	}
	if d.interfaces == nil {
		d.interfaces = make(map[uint32]string)
	}
	d.interfaces[index] = name
	return name
}
