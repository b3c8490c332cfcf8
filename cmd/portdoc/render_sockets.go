package main

import (
	"fmt"
	"math"
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
			return append(rows, evidence{pid: fmt.Sprintf("and %d more", len(s.PIDs)-i)})
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
// if it has one that may not be seen.
func (p *page) nobody(socket int) string {
	for _, cause := range p.report.Causes {
		if cause.ID == hiddenOwner && slices.Contains(cause.Sockets, socket) {
			return "?"
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
	of := func(title string, least int, cell func(evidence) string) column {
		c := column{title: title, least: least}
		for _, row := range rows {
			c.cells = append(c.cells, diagnose.Printable(cell(row)))
		}
		return c
	}
	state := of("STATE", 0, holderState)
	state.painted = paintState
	return []column{
		of("LOCAL", 0, socketCell(func(s *diagnose.Socket) string { return s.Local })),
		of("STATE", 0, socketCell(func(s *diagnose.Socket) string { return s.State })),
		of("REMOTE", 0, socketCell(remote)),
		of("DEVICE", 0, socketCell(func(s *diagnose.Socket) string { return text(s.Device) })),
		of("USER", 0, userCell),
		of("PID", 0, func(r evidence) string { return r.pid }),
		of("PROCESS", 12, holderName),
		state,
		of("UNIT", 16, holderUnit),
		of("FREE IN", 0, socketCell(freeIn)),
	}
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
	return text(s.Remote)
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
	switch {
	case r.holder == nil:
		return "-"
	case len(r.holder.Command) > 0:
		return strings.Join(r.holder.Command, " ")
	}
	return r.holder.Name
}

func holderState(r evidence) string {
	if r.holder == nil {
		return "-"
	}
	return orDash(r.holder.State)
}

func holderUnit(r evidence) string {
	if r.holder == nil {
		return "-"
	}
	return orDash(text(r.holder.Unit))
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
