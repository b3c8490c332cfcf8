package netstate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

// pcbListAttempts is how often a table is asked for that grows meanwhile.
const pcbListAttempts = 8

// readSockets fills in the snapshot's internet sockets with their owners, the
// peers of those that wait for a close, and the use of the ephemeral range.
func readSockets(ctx context.Context, s *Snapshot) error {
	var asked, peers []xnuSocket
	for _, query := range portQueries(s.Query) {
		table, err := socketTable(ctx, s, query.network)
		if err != nil {
			return fmt.Errorf("%s sockets: %w", query.network, err)
		}
		countEphemeral(s, query, table)
		of, ends := selectSockets(table, query.ports)
		asked, peers = append(asked, of...), append(peers, ends...)
	}
	rows := append(asked, peers...)
	numberSockets(rows)
	readOwners(ctx, s, rows)
	for i := range rows {
		if i < len(asked) {
			s.Sockets = append(s.Sockets, rows[i].Socket)
		} else {
			s.Peers = append(s.Peers, rows[i].Socket)
		}
	}
	return nil
}

// socketTable reads all sockets of one network. It needs no privilege. Where
// the kernel does not give its list, or not in a known form, it is what netstat
// prints, and the snapshot has a limit.
func socketTable(ctx context.Context, s *Snapshot, network Network) ([]xnuSocket, error) {
	table, refusal := kernelTable(network)
	if refusal == nil {
		return table, nil
	}
	text, err := toolOutput(ctx, "/usr/sbin/netstat", "-anvW", "-p", string(network))
	if err == nil {
		table, err = parseNetstat(network, text)
	}
	if err != nil {
		return nil, errors.Join(refusal, err)
	}
	s.Limits = append(s.Limits, netstatLimit(network, refusal))
	return table, nil
}

// kernelTable asks the kernel again while its table grows between the question
// for its size and that for its contents.
func kernelTable(network Network) (table []xnuSocket, err error) {
	for range pcbListAttempts {
		var data []byte
		data, err = unix.SysctlRaw("net.inet." + string(network) + ".pcblist_n")
		if err == nil {
			table, err = parsePCBList(network, data, interfaceName)
		}
		if !errors.Is(err, unix.ENOMEM) && !errors.Is(err, errPCBListCut) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("net.inet.%s.pcblist_n: %w", network, err)
	}
	return table, nil
}

// interfaceName is the number of an interface that is gone.
func interfaceName(index uint32) string {
	if found, err := net.InterfaceByIndex(int(index)); err == nil {
		return found.Name
	}
	return strconv.FormatUint(uint64(index), 10)
}

func countEphemeral(s *Snapshot, query portQuery, table []xnuSocket) {
	counter := newEphemeralCounter(&s.Policy)
	if !query.ephemeral || counter == nil || s.Ephemeral != nil {
		return
	}
	for _, row := range table {
		counter.add(row.Socket)
	}
	s.Ephemeral = counter.use(query.network)
}
