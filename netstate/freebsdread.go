package netstate

import (
	"context"
	"errors"
	"io/fs"
	"slices"
)

// freebsdSystem is what a FreeBSD system is asked.
type freebsdSystem struct {
	// list reads a setting whose value is a list of records.
	list func(name string) ([]byte, error)
	// sockstat runs sockstat(1).
	sockstat func(ctx context.Context, arguments ...string) ([]byte, error)
	// zone names an interface by its number, terminal a terminal by that of
	// its device.
	zone     func(uint32) string
	terminal func(uint64) string
	// process is the record of a process, empty for one that is not there.
	process func(pid int) ([]byte, error)
	// arguments are those of a process, executable its program; empty where
	// they may not be read.
	arguments  func(pid int) []string
	executable func(pid int) string
	root       fs.FS
	// pid is that of this process.
	pid  int
	view freebsdView
}

// readSockets fills in the snapshot's internet sockets with their owners, the
// peers of those that wait for a close, and the use of the ephemeral range, as
// far as the query asks for them. It fails only with the context.
func (f *freebsdSystem) readSockets(ctx context.Context, s *Snapshot) error {
	queries := portQueries(s.Query)
	if len(queries) == 0 {
		return nil
	}
	files, err := f.files()
	if err != nil {
		f.view.filesFailure = "the list of descriptors can't be read: " + err.Error()
	}
	s.Limits = append(s.Limits, f.view.socketLimits()...)
	for _, query := range queries {
		all, err := f.sockets(query.network)
		if err == nil {
			joinFreeBSDOwners(all, files)
		} else if all, err = f.runSockstat(ctx, s, query.network, err); err != nil {
			s.Limits = append(s.Limits, unlistedLimit(query.network, err))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		s.addFreeBSD(query, all)
	}
	s.Limits = append(s.Limits, f.view.ownerLimits(s.Sockets)...)
	return nil
}

// sockets lists all sockets of a network.
func (f *freebsdSystem) sockets(network Network) ([]freebsdSocket, error) {
	list, err := f.list("net.inet." + string(network) + ".pcblist")
	if err != nil {
		return nil, err
	}
	return decodeFreeBSDPCBs(network, list, f.zone)
}

// files lists the descriptors of sockets. A list without this process, which
// has descriptors, is not the whole.
func (f *freebsdSystem) files() ([]freebsdFile, error) {
	list, err := f.list("kern.file")
	if err != nil {
		return nil, err
	}
	files, pids, err := decodeFreeBSDFiles(list)
	if err == nil && !pids[f.pid] {
		err = errors.New("it lacks this process")
	}
	return files, err
}

// runSockstat asks sockstat(1), because refusal is why the kernel's list can't
// be read. Older releases have no option -s.
func (f *freebsdSystem) runSockstat(ctx context.Context, s *Snapshot, network Network, refusal error) ([]freebsdSocket, error) {
	arguments := []string{"-46", "-P", string(network)}
	text, err := f.sockstat(ctx, append(slices.Clone(arguments), "-s")...)
	if err != nil && ctx.Err() == nil {
		text, err = f.sockstat(ctx, arguments...)
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

// readProcesses fills in the processes that hold sockets, in the order of
// their pids.
func (f *freebsdSystem) readProcesses(s *Snapshot) {
	pids := ownerPIDs(s)
	if len(pids) == 0 {
		return
	}
	table := freebsdProcessTable{record: f.process, known: make(map[int]*freebsdProcess)}
	s.Processes = freebsdProcesses(pids, table.lookup, f.terminal)
	setRCUnits(s.Processes, readRCServices(f.root), table.lookup)
	for i := range s.Processes {
		p := &s.Processes[i]
		p.Command, p.Exe = f.arguments(p.PID), f.executable(p.PID)
	}
	if table.failure != nil {
		s.Limits = append(s.Limits, Limit{
			Kind: LimitProcess,
			What: "facts about the processes that have the sockets, and about their parents",
			Why:  "reading them failed: " + table.failure.Error(),
		})
	}
}

// ownerPIDs are the processes that have the snapshot's sockets, ascending.
func ownerPIDs(s *Snapshot) []int {
	var pids []int
	eachSocket(s, func(row socketRow) {
		for _, owner := range *row.owners {
			pids = append(pids, owner.PID)
		}
	})
	slices.Sort(pids)
	return slices.Compact(pids)
}

// freebsdProcessTable asks for each process once.
type freebsdProcessTable struct {
	record  func(pid int) ([]byte, error)
	known   map[int]*freebsdProcess
	failure error
}

// lookup reads one process, nil for one that is not there or may not be seen.
func (t *freebsdProcessTable) lookup(pid int) *freebsdProcess {
	if p, ok := t.known[pid]; ok || pid <= 0 {
		return p
	}
	t.known[pid] = nil
	record, err := t.record(pid)
	if err == nil && len(record) > 0 {
		var p freebsdProcess
		if p, err = decodeFreeBSDProcess(record); err == nil {
			t.known[pid] = &p
		}
	}
	if err != nil {
		t.failure = err
	}
	return t.known[pid]
}
