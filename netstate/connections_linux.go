package netstate

import (
	"context"
	"errors"

	psnet "github.com/shirou/gopsutil/v3/net"
	"golang.org/x/sys/unix"
)

// readProcTable reads the sockets from /proc/net, by way of gopsutil, because
// netlink answered refusal. Each fact that this source lacks is a limit.
func readProcTable(ctx context.Context, s *Snapshot, query portQuery, refusal error) error {
	rows, err := connections(ctx, query.network)
	if err != nil {
		return err
	}
	limits := procTableLimits(query.network, refusal)
	var counter *ephemeralCounter
	if query.ephemeral {
		counter = newEphemeralCounter(&s.Policy)
	}
	var sockets []Socket
	for _, row := range rows {
		socket, err := connectionSocket(query.network, row)
		if err != nil {
			return err
		}
		if query.ports.contains(socket.Local.Port()) {
			sockets = append(sockets, socket)
		}
		if counter != nil {
			counter.add(socket)
		}
	}
	if counter != nil && s.Ephemeral == nil {
		s.Ephemeral = counter.use(query.network)
	}
	s.Sockets = append(s.Sockets, sockets...)
	s.Limits = append(s.Limits, limits...)
	return nil
}

// connections asks again when a process ended while gopsutil looked into it,
// which it reports as a failure of the whole.
func connections(ctx context.Context, network Network) (rows []psnet.ConnectionStat, err error) {
	for range maxDumps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows, err = psnet.ConnectionsWithoutUidsWithContext(ctx, string(network))
		if !errors.Is(err, unix.ESRCH) {
			break
		}
	}
	return rows, err
}

// procTableLimits says what a snapshot of one network lacks that was read from
// /proc/net.
func procTableLimits(network Network, refusal error) []Limit {
	why := "the system refused NETLINK_SOCK_DIAG (" + refusalText(refusal) + "), so /proc/net was read, which lacks them"
	name := string(network)
	missing := []string{
		"all but one of several " + name + " sockets that share an address (SO_REUSEPORT, SO_REUSEADDR)",
		"all but one of several owners of a " + name + " socket",
		"the users of " + name + " sockets whose owner is hidden",
		"the inodes, interfaces, IPV6_V6ONLY, queues and cgroups of " + name + " sockets",
	}
	if network == TCP {
		missing = append(missing,
			"the remaining times of TIME_WAIT and FIN_WAIT2",
			"which tcp connections were accepted and which were opened here",
			"the other ends of tcp connections that wait for a close")
	}
	var limits []Limit
	for _, what := range missing {
		limits = append(limits, Limit{Kind: LimitSource, What: what, Why: why})
	}
	if network == TCP {
		limits = append(limits, Limit{
			Kind: LimitBound, What: "TCP sockets that are bound and neither listen nor are connected", Why: why,
		})
	}
	return limits
}

// refusalText is the system's words for the errno, without the path that the
// error took.
func refusalText(err error) string {
	if errno := unix.Errno(0); errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
