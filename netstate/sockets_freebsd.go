package netstate

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// readSockets fills in the snapshot's internet sockets with their owners, the
// peers of those that wait for a close, and the use of the ephemeral range, as
// far as the query asks for them.
func readSockets(ctx context.Context, s *Snapshot, view *freebsdView) error {
	queries := portQueries(s.Query)
	if len(queries) == 0 {
		return nil
	}
	files, filesErr := readFiles()
	if filesErr != nil {
		view.filesFailure = "the list of descriptors can't be read: " + filesErr.Error()
	}
	s.Limits = append(s.Limits, view.socketLimits()...)
	for _, query := range queries {
		all, err := readPCBs(query.network)
		if err == nil {
			joinFreeBSDOwners(all, files)
		} else if all, err = readSockstat(ctx, s, query.network, err); err != nil {
			s.Limits = append(s.Limits, unlistedLimit(query.network, err))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		s.addFreeBSD(query, all)
	}
	s.Limits = append(s.Limits, view.ownerLimits(s.Sockets)...)
	return nil
}

// readPCBs lists all sockets of a network.
func readPCBs(network Network) ([]freebsdSocket, error) {
	list, err := sysctlList("net.inet." + string(network) + ".pcblist")
	if err != nil {
		return nil, err
	}
	return decodeFreeBSDPCBs(network, list, zoneName)
}

// readFiles lists the descriptors of sockets. A list without this process, of
// which there is at least one, is not the whole.
func readFiles() ([]freebsdFile, error) {
	own, err := privateSocket(unix.AF_UNIX, unix.SOCK_DGRAM)
	if err == nil {
		defer unix.Close(own)
	}
	list, err := sysctlList("kern.file")
	if err != nil {
		return nil, err
	}
	files, pids, err := decodeFreeBSDFiles(list)
	if err == nil && !pids[os.Getpid()] {
		err = errors.New("it lacks this process")
	}
	return files, err
}

// mostReadings bounds how often a list is read again that grew while it was.
const mostReadings = 5

// sysctlList reads a list whose length changes all the time.
func sysctlList(name string) (list []byte, err error) {
	for range mostReadings {
		list, err = unix.SysctlRaw(name)
		if !errors.Is(err, unix.ENOMEM) {
			break
		}
	}
	return list, os.NewSyscallError("sysctl "+name, err)
}

// sockstatDeadline is far more than sockstat takes on a busy machine.
const sockstatDeadline = 10 * time.Second

// readSockstat runs sockstat(1), because refusal is why the kernel's list can't
// be read. Releases before 14 or so have no option -s.
func readSockstat(ctx context.Context, s *Snapshot, network Network, refusal error) ([]freebsdSocket, error) {
	ctx, cancel := context.WithTimeout(ctx, sockstatDeadline)
	defer cancel()
	arguments := []string{"-46", "-P", string(network)}
	text, err := exec.CommandContext(ctx, "/usr/bin/sockstat", append(slices.Clone(arguments), "-s")...).Output()
	if err != nil && ctx.Err() == nil {
		text, err = exec.CommandContext(ctx, "/usr/bin/sockstat", arguments...).Output()
	}
	if err != nil {
		return nil, errors.Join(refusal, err)
	}
	sockets, stated, err := decodeSockstat(string(text))
	if err != nil {
		return nil, errors.Join(refusal, err)
	}
	s.Limits = append(s.Limits, sockstatLimits(network, stated, refusal)...)
	all := make([]freebsdSocket, len(sockets))
	for i := range sockets {
		all[i].Socket = sockets[i]
	}
	return all, nil
}

// zoneName names an interface by its number.
func zoneName(index uint32) string {
	if found, err := net.InterfaceByIndex(int(index)); err == nil {
		return found.Name
	}
	return zoneNumber(index)
}
