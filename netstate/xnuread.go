package netstate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// xnuSystem is the machine as a reader of macOS sees it.
type xnuSystem struct {
	// list is the value of a sysctl of sockets, by its name.
	list func(name string) ([]byte, error)
	// run runs a program of the system, named by its whole path, and returns
	// what it printed; errors are [toolError] where it ran.
	run           func(ctx context.Context, program string, arguments ...string) (string, error)
	interfaceName func(uint32) string
	privileged    bool
	processes     xnuProcesses
}

// toolError is how a program of the system failed.
type toolError struct {
	program string
	// status is its exit status, complaint the first line that it wrote to
	// standard error.
	status    int
	complaint string
	err       error
}

func (e *toolError) Error() string {
	text := e.program + ": " + e.err.Error()
	if e.complaint != "" {
		text += ": " + e.complaint
	}
	return text
}

func (e *toolError) Unwrap() error { return e.err }

// foundNothing tells whether lsof ended with the status 1 without a complaint:
// something that it looked for, which may be all of it, is not there.
func foundNothing(err error) bool {
	failed, ok := errors.AsType[*toolError](err)
	return ok && failed.status == 1 && failed.complaint == ""
}

// readSockets fills in the snapshot's internet sockets with their owners, the
// peers of those that wait for a close, and the use of the ephemeral range.
func (x *xnuSystem) readSockets(ctx context.Context, s *Snapshot) error {
	var asked, peers []xnuSocket
	for _, query := range portQueries(s.Query) {
		table, err := x.table(ctx, s, query.network)
		if err != nil {
			return fmt.Errorf("%s sockets: %w", query.network, err)
		}
		countEphemeral(s, query, table)
		of, ends := selectSockets(table, query.ports)
		asked, peers = append(asked, of...), append(peers, ends...)
	}
	rows := slices.Concat(asked, peers)
	numberSockets(rows)
	x.readOwners(ctx, s, rows)
	for i := range rows {
		if i < len(asked) {
			s.Sockets = append(s.Sockets, rows[i].Socket)
		} else {
			s.Peers = append(s.Peers, rows[i].Socket)
		}
	}
	return nil
}

// table reads all sockets of one network. It needs no privilege. Where the
// kernel does not give its list, or not in a known form, it is what netstat
// prints, and the snapshot has a limit.
func (x *xnuSystem) table(ctx context.Context, s *Snapshot, network Network) ([]xnuSocket, error) {
	table, refusal := x.kernelTable(network)
	if refusal == nil {
		return table, nil
	}
	text, err := x.run(ctx, "/usr/sbin/netstat", "-anvW", "-p", string(network))
	if err == nil {
		table, err = parseNetstat(network, text)
	}
	if err != nil {
		return nil, errors.Join(refusal, err)
	}
	s.Limits = append(s.Limits, netstatLimit(network, refusal))
	return table, nil
}

// listAttempts is how often a list is asked for that comes without its end.
const listAttempts = 3

func (x *xnuSystem) kernelTable(network Network) (table []xnuSocket, err error) {
	name := "net.inet." + string(network) + ".pcblist_n"
	for range listAttempts {
		var data []byte
		data, err = x.list(name)
		if err == nil {
			table, err = parsePCBList(network, data, x.interfaceName)
		}
		if !errors.Is(err, errPCBListCut) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return table, nil
}

// countEphemeral counts the ports of the ephemeral range if the query asks.
func countEphemeral(s *Snapshot, query portQuery, table []xnuSocket) {
	if !query.ephemeral || s.Ephemeral != nil {
		return
	}
	counter := newEphemeralCounter(&s.Policy)
	if counter == nil {
		return
	}
	for _, row := range table {
		counter.add(row.Socket)
	}
	s.Ephemeral = counter.use(query.network)
}

// readOwners fills in the owners of rows by asking lsof, and the limits of what
// it may see. It asks nothing if no socket can have owners.
//
// Without root lsof shows the reader's own processes.
func (x *xnuSystem) readOwners(ctx context.Context, s *Snapshot, rows []xnuSocket) {
	if !anyOpen(rows) {
		return
	}
	var files []lsofFile
	var failure string
	for _, query := range portQueries(s.Query) {
		if len(query.ports) == 0 {
			continue
		}
		of, err := x.openFiles(ctx, query)
		if err != nil {
			failure = err.Error()
			break
		}
		files = append(files, of...)
	}
	setLsofOwners(rows, files)
	s.Limits = append(s.Limits, ownersUnseen(rows, x.privileged, failure)...)
}

func (x *xnuSystem) openFiles(ctx context.Context, query portQuery) ([]lsofFile, error) {
	text, err := x.run(ctx, "/usr/sbin/lsof", lsofArguments(query.network, query.ports)...)
	if err != nil && !foundNothing(err) {
		return nil, err
	}
	return parseLsof(text)
}

// readProcesses fills in the processes that the sockets name, in the order of
// their pids, with the jobs of launchd that they belong to. It needs no
// privilege but for the arguments of other users' processes.
func (x *xnuSystem) readProcesses(ctx context.Context, s *Snapshot) {
	x.processes.read(s, slices.Concat(s.Sockets, s.Peers))
	var users []uint32
	for _, p := range s.Processes {
		if mayHaveJob(p) {
			users = append(users, *p.UID)
		}
	}
	if len(users) > 0 {
		setLaunchdJobs(s.Processes, x.jobs(ctx, s, users), x.processes.session)
	}
}

// jobs asks launchd for the jobs of the system and of users. That a user has no
// session, and so no domain, is no failure.
func (x *xnuSystem) jobs(ctx context.Context, s *Snapshot, users []uint32) map[int]launchdJob {
	jobs := make(map[int]launchdJob)
	for _, domain := range launchdDomains(users) {
		text, err := x.run(ctx, "/bin/launchctl", "print", domain)
		failed, ended := errors.AsType[*toolError](err)
		noDomain := ended && failed.status > 0 && strings.Contains(domain, "/")
		if err != nil && !noDomain {
			s.Limits = append(s.Limits, Limit{
				Kind: LimitProcess, What: "the jobs of launchd that processes belong to", Why: err.Error(),
			})
			break
		}
		addLaunchdJobs(jobs, parseLaunchctl(text), strings.Contains(domain, "/"))
	}
	return jobs
}
