package netstate

import (
	"context"
	"fmt"
	"slices"
)

// windowsSystem is what Windows is asked for. None of it needs a privilege.
type windowsSystem interface {
	// sockets lists all sockets of a network, of both families, with limits
	// for those that it can't list.
	sockets(context.Context, Network) (ownerRows, []Limit, error)
	// processes lists all processes.
	processes() (processTree, error)
	// facts fills in what a process itself is asked for: its program, command
	// and user. The error is the first refusal.
	facts(*Process) error
	// suspended is the state of a process of which the list does not tell.
	suspended(*systemProcess) ProcessState
	// services are the names of those that run, by their process.
	services() (map[int][]string, error)
	// module is the service that made a socket, or the program.
	module(ownerRow) string
	// portProxy lists the forwarding rules of the system.
	portProxy() ([]PortForward, error)
	// netsh runs that program and returns what it prints.
	netsh(ctx context.Context, arguments ...string) (string, error)
	// policy fills in what needs no netsh.
	policy(*Snapshot)
}

// The processes of the kernel, which always have these numbers.
const (
	idleProcessID   = 0
	systemProcessID = 4
)

// maxTableReadings is how often the tables are read while they name processes
// that have ended.
const maxTableReadings = 2

// readWindows asks the system in the order in which facts depend on each other:
// the sockets first, then the processes that they name. The policy is read
// beside them.
func readWindows(ctx context.Context, s *Snapshot, system windowsSystem) error {
	policy := &Snapshot{Query: s.Query}
	done := make(chan struct{})
	go func() {
		defer close(done)
		system.policy(policy)
		readPortPolicy(ctx, policy, system)
	}()
	r := windowsReader{s: s, system: system}
	err := r.readSockets(ctx)
	if err == nil {
		r.readProcesses(ctx)
	}
	<-done
	if err != nil {
		return err
	}
	s.Policy = policy.Policy
	s.Host.Release, s.Host.Privileged, s.Host.User = policy.Host.Release, policy.Host.Privileged, policy.Host.User
	s.Limits = append(policy.Limits, s.Limits...)
	r.readEphemeral()
	return ctx.Err()
}

// windowsReader has what was read on the way to a snapshot.
type windowsReader struct {
	s      *Snapshot
	system windowsSystem
	// all are the sockets of each network that was asked about.
	all map[Network]ownerRows
	// picked are the rows of the snapshot's sockets, in the same order.
	picked    ownerRows
	processes processTree
}

// readSockets fills in the sockets and who has them. A process that ends
// between the two readings looks like one whose socket outlives it, so such
// sockets are looked at twice.
func (r *windowsReader) readSockets(ctx context.Context) error {
	before := r.s.Limits
	for reading := 1; ; reading++ {
		r.s.Limits, r.picked = before, nil
		r.all = make(map[Network]ownerRows)
		for _, query := range portQueries(r.s.Query) {
			if err := r.readNetwork(ctx, query); err != nil {
				return fmt.Errorf("%s sockets: %w", query.network, err)
			}
		}
		r.setOwners()
		dead := slices.ContainsFunc(r.s.Sockets, func(s Socket) bool { return s.LastPID != 0 })
		if !dead || reading == maxTableReadings || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (r *windowsReader) readNetwork(ctx context.Context, query portQuery) error {
	rows, limits, err := r.system.sockets(ctx, query.network)
	if err != nil {
		return err
	}
	picked, unknown := rows.of(query.ports)
	r.all[query.network] = rows
	r.picked = append(r.picked, picked...)
	r.s.Limits = slices.Concat(r.s.Limits, limits, unknown)
	return nil
}

// setOwners gives each socket, and each peer of one that nobody has, to its
// process.
func (r *windowsReader) setOwners() {
	peers := r.all[TCP].peersOf(r.picked)
	named := func(row ownerRow) bool { return row.pid != 0 }
	if slices.ContainsFunc(r.picked, named) || slices.ContainsFunc(peers, named) {
		var err error
		r.processes, err = r.system.processes()
		r.s.missing(LimitProcess, "which processes there are", err)
	}
	if slices.ContainsFunc(r.picked, ownerRow.lacksOwner) {
		r.s.Limits = append(r.s.Limits, Limit{
			Kind: LimitOwners,
			What: "the owners of sockets on the port",
			Why:  "the system names no process for them",
		})
	}
	r.s.Sockets, r.s.Peers = r.processes.owned(r.picked), r.processes.owned(peers)
}

// readProcesses fills in the processes that have sockets, those that may have
// inherited one from a process that has ended, and those that HTTP.sys listens
// for.
func (r *windowsReader) readProcesses(ctx context.Context) {
	r.readHTTPService(ctx)
	r.readForwards(ctx)
	wanted := r.wantedProcesses()
	if len(wanted) == 0 {
		return
	}
	services, err := r.system.services()
	r.s.missing(LimitProcess, "which services the processes run", err)
	for _, pid := range wanted {
		p := r.processes[pid]
		if p == nil {
			continue
		}
		process := r.process(p)
		process.Services = services[pid]
		r.s.Processes = append(r.s.Processes, process)
	}
	r.nameServices(services)
}

// process reads one process. Facts that are refused are a limit.
func (r *windowsReader) process(p *systemProcess) Process {
	process := Process{
		PID: p.pid, PPID: r.processes.parentID(p),
		Name: p.name, Started: p.created,
		State:     p.state(),
		Ancestors: r.processes.ancestors(p),
	}
	if parent := r.processes.parent(p); parent != nil && parent.pid != idleProcessID {
		process.ParentName = parent.name
	}
	if process.State == "" {
		process.State = r.system.suspended(p)
	}
	if p.pid == systemProcessID || p.pid == idleProcessID {
		return process // they have no program
	}
	if err := r.system.facts(&process); err != nil {
		r.s.Limits = append(r.s.Limits, Limit{
			Kind: LimitProcess,
			What: fmt.Sprintf("facts about process %d (%s)", p.pid, p.name),
			Why:  err.Error(),
		})
	}
	return process
}

// wantedProcesses are in the order of their numbers.
func (r *windowsReader) wantedProcesses() []int {
	var pids []int
	for _, s := range slices.Concat(r.s.Sockets, r.s.Peers) {
		for _, owner := range s.Owners {
			pids = append(pids, owner.PID)
		}
		if s.LastPID != 0 {
			for _, heir := range r.processes.heirs(&s) {
				pids = append(pids, heir.pid)
			}
		}
	}
	for _, holder := range r.s.Kernel {
		pids = append(pids, holder.Queue.PIDs...)
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// nameServices says which service made a socket where its process runs
// several.
func (r *windowsReader) nameServices(services map[int][]string) {
	for i, row := range r.picked {
		if names := services[row.pid]; row.pid != 0 && len(names) > 1 {
			if name := r.system.module(row); slices.Contains(names, name) {
				r.s.Sockets[i].Service = name
			}
		}
	}
}

// readHTTPService finds out for whom HTTP.sys listens, if the kernel's process
// has one of the TCP ports.
func (r *windowsReader) readHTTPService(ctx context.Context) {
	var ports []PortRange
	for _, row := range r.picked {
		if row.pid == systemProcessID && row.State == StateListen {
			ports = append(ports, PortRange{First: row.Local.Port(), Last: row.Local.Port()})
		}
	}
	if len(ports) == 0 {
		return
	}
	text, err := r.system.netsh(ctx, "http", "show", "servicestate")
	if err == nil {
		r.s.Kernel, err = parseHTTPState(text, newPortSet(ports))
	}
	r.s.missing(LimitSource, "which programs HTTP.sys listens for", err)
}

// readForwards finds the rules of the system that listen on one of the ports.
func (r *windowsReader) readForwards(ctx context.Context) {
	for _, query := range portQueries(r.s.Query) {
		if query.network != TCP {
			continue
		}
		var err error
		r.s.Forwards, err = portForwards(ctx, r.system, query.ports)
		r.s.missing(LimitSource, "the forwarding rules of netsh interface portproxy", err)
	}
}

// readEphemeral counts the use of the ephemeral range, if the query asks.
func (r *windowsReader) readEphemeral() {
	for _, query := range portQueries(r.s.Query) {
		if query.ephemeral && r.s.Ephemeral == nil {
			r.s.Ephemeral = r.all[query.network].ephemeralUse(query.network, &r.s.Policy)
		}
	}
}
