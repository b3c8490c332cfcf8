package netstate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// readSockets fills in the snapshot's internet sockets, the peers of those
// that wait for a close, and the use of the ephemeral range, as far as the
// query asks for them. Where netlink is refused it reads /proc/net.
func readSockets(ctx context.Context, s *Snapshot) error {
	queries := portQueries(s.Query)
	if len(queries) == 0 {
		return nil
	}
	diag, dialErr := dialInetDiag(ctx)
	if dialErr == nil {
		defer diag.close()
	}
	for _, query := range queries {
		err := dialErr
		if err == nil {
			err = diag.read(s, query)
		}
		if netlinkRefused(err) {
			err = readProcTable(ctx, s, query, err)
		}
		if err != nil {
			return fmt.Errorf("%s sockets: %w", query.network, err)
		}
	}
	return nil
}

// netlinkRefused tells whether an error means that NETLINK_SOCK_DIAG can't be
// had here at all: a seccomp filter, a kernel without the module, another
// kernel that plays Linux.
func netlinkRefused(err error) bool {
	return slices.ContainsFunc([]error{
		unix.EPERM, unix.EACCES, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.ESOCKTNOSUPPORT,
		unix.ENOSYS, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOENT, unix.ECONNREFUSED,
	}, func(refusal error) bool { return errors.Is(err, refusal) })
}

// read appends to the snapshot only when all of it could be read.
func (d *inetDiag) read(s *Snapshot, query portQuery) error {
	var limits []Limit
	sockets, err := d.sockets(query, &limits)
	if err != nil {
		return err
	}
	use, err := d.ephemeralUse(query, &s.Policy, &limits)
	if err != nil {
		return err
	}
	if query.network == TCP {
		peers, err := d.peersOfOrphans(sockets)
		if err != nil {
			return err
		}
		s.Peers = append(s.Peers, peers...)
	}
	if s.Ephemeral == nil {
		s.Ephemeral = use
	}
	s.Sockets = append(s.Sockets, sockets...)
	s.Limits = append(s.Limits, limits...)
	return nil
}

// sockets are those that have one of the ports that the query names.
func (d *inetDiag) sockets(query portQuery, limits *[]Limit) ([]Socket, error) {
	if len(query.ports) == 0 {
		return nil, nil
	}
	sockets, err := d.collect(query.network, query.ports, extensionInfo)
	if errors.Is(err, errUnstable) {
		*limits = append(*limits, unstableLimit(query.network))
	} else if err != nil {
		return nil, err
	}
	if query.network == UDP {
		return sockets, nil
	}
	return d.completeTCP(sockets, query.ports, limits)
}

// completeTCP looks for what one walk over the kernel's tables may miss.
func (d *inetDiag) completeTCP(sockets []Socket, ports portSet, limits *[]Limit) ([]Socket, error) {
	listed, err := d.listsBound()
	if err != nil {
		return nil, err
	}
	if !listed {
		*limits = append(*limits, Limit{
			Kind: LimitBound, Network: TCP,
			What: "TCP sockets that are bound and neither listen nor are connected",
			Why:  "this kernel does not list them (Linux does since 6.8)",
		})
	}
	if slices.ContainsFunc(sockets, func(s Socket) bool { return s.State == StateListen }) {
		return sockets, nil
	}
	// The kernel walks over the listeners first, over the bound sockets then:
	// one that begins to listen in between is in neither walk.
	err = d.dump(tcpDump(diagStateListen, 0, ports), TCP, func(row inetDiagRow) {
		if ports.contains(row.Local.Port()) {
			sockets = append(sockets, row.Socket)
		}
	})
	if errors.Is(err, errInterrupted) {
		err = nil // every row of it is true all the same
	}
	return sockets, err
}

func unstableLimit(network Network) Limit {
	return Limit{
		Kind: LimitUnstable, Network: network,
		What: "all " + string(network) + " sockets at one moment",
		Why:  "the kernel's tables changed during each of several readings",
	}
}
