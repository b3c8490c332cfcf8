package netstate

import (
	"context"
	"errors"
	"fmt"

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
			socket.lookAtOwner()
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

// lookAtOwner reads the inode and the user of a socket through a descriptor of
// its owner. With the inode all other owners and their facts can be found.
func (s *Socket) lookAtOwner() {
	if len(s.Owners) == 0 {
		return
	}
	var stat unix.Stat_t
	path := fmt.Sprintf("/proc/%d/fd/%d", s.Owners[0].PID, s.Owners[0].FDs[0])
	if err := unix.Stat(path, &stat); err == nil && stat.Mode&unix.S_IFMT == unix.S_IFSOCK {
		s.Inode, s.UID = stat.Ino, &stat.Uid
	}
}

// procTableLimits says what a snapshot of one network lacks that was read from
// /proc/net.
func procTableLimits(network Network, refusal error) []Limit {
	why := "the system refused NETLINK_SOCK_DIAG (" + refusalText(refusal) + "), and what was read instead lacks them"
	name := string(network)
	limits := []Limit{
		{Kind: LimitOwners, What: "the owners and users of " + name + " sockets that other users have"},
		{Kind: LimitSource, What: "all but one of several " + name + " sockets that share an address (SO_REUSEPORT, SO_REUSEADDR)"},
		{Kind: LimitSource, What: "the interfaces, IPV6_V6ONLY, queues and cgroups of " + name + " sockets"},
	}
	if network == TCP {
		limits = append(limits,
			Limit{Kind: LimitSource, What: "the remaining times of TIME_WAIT and FIN_WAIT2"},
			Limit{Kind: LimitSource, What: "which tcp connections were accepted and which were opened here"},
			Limit{Kind: LimitSource, What: "the other ends of tcp connections that wait for a close"},
			Limit{Kind: LimitBound, What: "TCP sockets that are bound and neither listen nor are connected"})
	}
	for i := range limits {
		limits[i].Network, limits[i].Why = network, why
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
