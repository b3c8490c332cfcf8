package main

import (
	"fmt"
	"slices"
	"strings"

	"portdoc/cmd/portdoc/internal/trace"
	"portdoc/diagnose"
)

// callNotes say what only the run itself knows: what the program sets on its
// socket, and whether it is in its own way. The report is changed accordingly.
func (r *runReporter) callNotes(call *trace.Call, report *diagnose.Report) (notes []string, itself bool) {
	if call.OtherNetwork {
		return []string{"The program is in another network namespace, and this report is about portdoc's. For the program's: " +
			fmt.Sprintf("sudo nsenter -t %d -n portdoc why %s", call.PID, callTarget(call))}, false
	}
	if note := optionNote(call, report); note != "" {
		notes = append(notes, note)
	}
	if holder, ok := r.ownHolder(report); ok {
		notes = append(notes, bindsTwice(call, holder))
		report.Remedies = []diagnose.Remedy{}
		itself = true
	}
	return notes, itself
}

// ownHolder is the command's own socket that blocks the bind, if no other does.
func (r *runReporter) ownHolder(report *diagnose.Report) (holder trace.Call, found bool) {
	for _, socket := range report.Sockets {
		if !socket.Blocks {
			continue
		}
		own, ok := r.own[socket.Inode]
		if !ok || socket.Inode == 0 {
			return trace.Call{}, false
		}
		holder, found = own, true
	}
	return holder, found
}

// bindsTwice explains a command that is in its own way.
func bindsTwice(call *trace.Call, holder trace.Call) string {
	who := "Nothing else uses it: the program itself"
	if holder.PID != call.PID {
		who = fmt.Sprintf("Nothing else uses it: %s (pid %d), which this command started,", holder.Program, holder.PID)
	}
	ours, theirs := callAddress(call), callAddress(&holder)
	if call.Network != "unix" && ours.Is4() != theirs.Is4() && ours.IsUnspecified() && theirs.IsUnspecified() {
		return fmt.Sprintf("%s has bound %s already, and on Linux [::] also takes the IPv4 port. Keep one of the two, or set IPV6_V6ONLY on the IPv6 socket.",
			who, addressText(&holder))
	}
	return fmt.Sprintf("%s has bound %s already. Look for a second listen, a configuration that is read twice, or a PORT variable that a child inherits.",
		who, addressText(&holder))
}

// optionNote says what the program sets, and what that is good for here.
func optionNote(call *trace.Call, report *diagnose.Report) string {
	var set []string
	if call.ReuseAddr {
		set = append(set, "SO_REUSEADDR")
	}
	if call.ReusePort {
		set = append(set, "SO_REUSEPORT")
	}
	if len(set) == 0 || report.Verdict == diagnose.Free {
		return ""
	}
	text := "The program sets " + strings.Join(set, " and ")
	pronoun := "that does"
	if len(set) > 1 {
		pronoun = "they do"
	}
	blocking := slices.DeleteFunc(slices.Clone(report.Sockets), func(s diagnose.Socket) bool { return !s.Blocks })
	switch {
	case len(blocking) == 0:
		return text + "."
	case slices.ContainsFunc(blocking, func(s diagnose.Socket) bool { return s.State == "LISTEN" }):
		return text + "; " + pronoun + " not get past a listener."
	case call.Network == "udp":
		return text + "; " + pronoun + " not get past a socket that does not set the same."
	}
	return text + "; " + pronoun + " not get past what a program left behind that did not set the same."
}
