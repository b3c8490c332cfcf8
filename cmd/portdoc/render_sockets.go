package main

import (
	"fmt"
	"math"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"portdoc/diagnose"
)

// What a person reads at one glance. --all-sockets lifts the first.
const (
	maxSockets = 16
	maxHolders = 4
)

// evidence is a row of the socket table: a socket with one of its holders. The
// socket is nil where the row above has it already, the holder where nobody
// is known to have it.
type evidence struct {
	socket *diagnose.Socket
	holder *diagnose.Process
	pid    string
}

// absent is the cell of a fact about a holder that is not known.
func (r evidence) absent() string {
	if r.socket == nil {
		return ""
	}
	return "-"
}

// sockets writes the table of sockets.
func (p *page) sockets() {
	shown := p.report.Sockets
	if len(shown) > maxSockets && !p.allSockets {
		shown = shown[:maxSockets]
	}
	var rows []evidence
	for i := range shown {
		rows = append(rows, p.holders(&shown[i])...)
	}
	if len(rows) == 0 {
		return
	}
	p.table(socketColumns(rows))
	if more := len(p.report.Sockets) - len(shown); more > 0 {
		p.paragraph(indent, fmt.Sprintf("and %d more (--all-sockets shows them)", more))
	}
}

// holders are the rows of one socket.
func (p *page) holders(s *diagnose.Socket) []evidence {
	if len(s.PIDs) == 0 {
		return []evidence{{socket: s, pid: p.nobody(s.ID)}}
	}
	var rows []evidence
	for i, pid := range s.PIDs {
		if i == maxHolders-1 && len(s.PIDs) > maxHolders && !p.allSockets {
			return append(rows, evidence{pid: fmt.Sprintf("+%d more", len(s.PIDs)-i)})
		}
		row := evidence{pid: strconv.Itoa(pid), holder: p.process(pid)}
		if i == 0 {
			row.socket = s
		}
		rows = append(rows, row)
	}
	return rows
}

// nobody is what stands for the pid of a socket without a visible holder: "?"
// if it has one that may not be seen, and in brackets a process that the system
// names beside it.
func (p *page) nobody(socket int) string {
	for _, cause := range p.report.Causes {
		if cause.ID == hiddenOwner && slices.Contains(cause.Sockets, socket) {
			return "?"
		}
	}
	for _, s := range p.report.Sockets {
		if s.ID == socket && s.LastPID != nil {
			return fmt.Sprintf("(%d)", *s.LastPID)
		}
	}
	return "-"
}

// hiddenOwner is the cause of a holder that exists and may not be seen.
const hiddenOwner diagnose.CauseID = "hidden-owner"

func (p *page) process(pid int) *diagnose.Process {
	for i := range p.report.Processes {
		if p.report.Processes[i].PID == pid {
			return &p.report.Processes[i]
		}
	}
	return nil
}

// socketColumns are all columns that a socket table can have.
func socketColumns(rows []evidence) []column {
	local := columnOf("LOCAL", rows, socketCell(func(s *diagnose.Socket) string { return unmapped(s.Local) }))
	state := columnOf("STATE", rows, socketCell(func(s *diagnose.Socket) string { return s.State }))
	local.head, state.head = true, true
	process := columnOf("PROCESS", rows, holderName)
	process.brief = [][]string{columnOf("", rows, holderShortName).cells, columnOf("", rows, holderProgram).cells}
	process.least, process.spare = 12, true
	holding := columnOf("STATE", rows, holderState)
	holding.painted = paintState
	unit := columnOf("UNIT", rows, holderUnit)
	unit.least, unit.spare = 16, true
	return []column{
		local,
		columnOf("REMOTE", rows, socketCell(remote)),
		state,
		columnOf("DEVICE", rows, socketCell(func(s *diagnose.Socket) string { return text(s.Device) })),
		columnOf("USER", rows, userCell),
		columnOf("PID", rows, func(r evidence) string { return r.pid }),
		process,
		holding,
		unit,
		columnOf("FREE IN", rows, socketCell(freeIn)),
	}
}

// columnOf is a column with a cell for each row.
func columnOf(title string, rows []evidence, cell func(evidence) string) column {
	c := column{title: title}
	for _, row := range rows {
		c.cells = append(c.cells, diagnose.Printable(cell(row)))
	}
	return c
}

// socketCell is the cell of a row that says something about its socket.
func socketCell(cell func(*diagnose.Socket) string) func(evidence) string {
	return func(r evidence) string {
		if r.socket == nil {
			return ""
		}
		return orDash(cell(r.socket))
	}
}

// remote is the other end of a socket, or the number of other ends of the
// sockets that the row stands for.
func remote(s *diagnose.Socket) string {
	if s.Count > 1 {
		return strconv.Itoa(s.Count) + " peers"
	}
	return unmapped(text(s.Remote))
}

// unmapped writes an IPv4 address that an IPv6 socket has (RFC 4291, section
// 2.5.5.2) as people know it. The report keeps the other form.
func unmapped(address string) string {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil || !parsed.Addr().Is4In6() {
		return address
	}
	return netip.AddrPortFrom(parsed.Addr().Unmap(), parsed.Port()).String()
}

// freeIn is how long a socket that goes away by itself still stays.
func freeIn(s *diagnose.Socket) string {
	if s.Timer == nil || s.Timer.Kind != "time-wait" {
		return ""
	}
	return strconv.Itoa(int(math.Ceil(s.Timer.RemainingSeconds))) + " s"
}

// userCell names the user of a socket whose process is not known.
func userCell(r evidence) string {
	switch {
	case r.socket == nil:
		return ""
	case r.holder != nil:
		return "-"
	case r.socket.User != nil:
		return *r.socket.User
	case r.socket.UID != nil:
		return "uid " + strconv.FormatUint(uint64(*r.socket.UID), 10)
	}
	return "-"
}

// holderName is the command line of a process, else its short name.
func holderName(r evidence) string {
	if r.holder == nil {
		return r.absent()
	}
	if len(r.holder.Command) > 0 {
		return strings.Join(r.holder.Command, " ")
	}
	return r.holder.Name
}

// holderShortName is holderName without the directory of the program.
func holderShortName(r evidence) string {
	program, arguments := holderWords(r)
	return strings.TrimSpace(diagnose.ProgramName(program) + " " + arguments)
}

// holderProgram is holderShortName without the arguments.
func holderProgram(r evidence) string {
	program, _ := holderWords(r)
	return diagnose.ProgramName(program)
}

// holderWords are the program and the rest of holderName. On Windows a
// program's path has spaces in it; elsewhere a first word with spaces is a
// title that the process gave itself.
func holderWords(r evidence) (program, arguments string) {
	if r.holder != nil && len(r.holder.Command) > 0 && strings.HasSuffix(strings.ToLower(r.holder.Command[0]), ".exe") {
		return r.holder.Command[0], strings.Join(r.holder.Command[1:], " ")
	}
	program, arguments, _ = strings.Cut(holderName(r), " ")
	return program, arguments
}

func holderState(r evidence) string {
	if r.holder == nil {
		return r.absent()
	}
	return orDash(r.holder.State)
}

// holderUnit is the service that the holder belongs to. Of a holder that is not
// known, it is the one in whose control group the socket was made.
func holderUnit(r evidence) string {
	switch {
	case r.holder != nil:
		return orDash(text(r.holder.Unit))
	case r.socket != nil && strings.HasSuffix(text(r.socket.Cgroup), ".service"):
		return path.Base(*r.socket.Cgroup)
	}
	return r.absent()
}

// paintState makes a state in which a process does nothing stand out.
func paintState(state string) string {
	switch state {
	case "stopped", "traced", "frozen", "zombie":
		return paint(state, yellow)
	}
	return state
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func orDash(cell string) string {
	if cell == "" {
		return "-"
	}
	return cell
}
