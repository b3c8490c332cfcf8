package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"

	"portdoc/cmd/portdoc/internal/trace"
	"portdoc/diagnose"
	"portdoc/netstate"
)

// asked is a question about a bind that failed.
type asked struct {
	word string // the target
	// call is what failed, nil where only its target is known.
	call  *trace.Call
	probe bool
}

// askAboutCall asks with the options of the program's socket. Binds are tried
// only where this process can do just what the program can.
func askAboutCall(call *trace.Call) asked {
	return asked{word: callTarget(call), call: call, probe: call.Op == trace.Bind && ownRights(call)}
}

// report answers the question from this machine.
func (a asked) report(ctx context.Context) (*diagnose.Report, error) {
	subjects, err := parseSubjects(ctx, []string{a.word}, "why")
	if err != nil {
		return nil, err
	}
	form := diagnose.Question{}
	if a.call != nil {
		form.ReuseAddr, form.ReusePort, form.V6Only = a.call.ReuseAddr, a.call.ReusePort, a.call.V6Only
	}
	ask := func(s *netstate.Snapshot) []diagnose.Question {
		a.adjust(s)
		return questions(subjects, form, s)
	}
	look := observation{query: query(subjects), ask: ask, why: diagnose.Why, probe: a.probe}
	_, reports, err := look.observe(ctx)
	if err != nil {
		return nil, err
	}
	return reports[0], nil
}

// adjust makes the snapshot one of the program's: what this process lends and
// may do, and the very socket that is asked about, is no evidence.
func (a asked) adjust(s *netstate.Snapshot) {
	if a.call == nil {
		return
	}
	for i := range s.Sockets {
		owners := &s.Sockets[i].Owners
		*owners = slices.DeleteFunc(*owners, func(o netstate.Owner) bool { return o.PID == os.Getpid() })
	}
	s.Sockets = slices.DeleteFunc(s.Sockets, func(socket netstate.Socket) bool { return socket.Inode == a.call.Socket })
	s.Policy.UID, s.Policy.BindPrivileged = &a.call.UID, &a.call.BindPrivileged
}

// callTarget is the target of a call, as [parseTarget] reads it.
func callTarget(call *trace.Call) string {
	if call.Network == "unix" {
		return target{network: netstate.Unix, path: call.Path}.String()
	}
	t := target{network: netstate.Network(call.Network), host: callAddress(call).String(), port: call.Local.Port()}
	return t.String()
}

// callAddress is the address of a call; an IPv4 address of an IPv6 socket is
// one of IPv4.
func callAddress(call *trace.Call) netip.Addr { return callEndpoint(call).Addr().Unmap() }

// callEndpoint is what a call asks for: a connect has it as its destination.
func callEndpoint(call *trace.Call) netip.AddrPort {
	if call.Op == trace.Connect {
		return call.Remote
	}
	return call.Local
}

// foresees tells whether a call is going to fail, as far as that can be seen
// without disturbing anybody.
func foresees(call *trace.Call) bool {
	switch {
	case call.Op != trace.Bind || call.OtherNetwork:
		return false
	case call.Network == "unix":
		_, err := os.Lstat(call.Path)
		return err == nil && !call.OtherFiles
	case call.Local.Port() == 0 || !ownRights(call):
		return false
	}
	outcomes := netstate.Probe([]netstate.BindRequest{bindRequest(call)})
	return len(outcomes) == 1 && outcomes[0].Result != "ok"
}

func bindRequest(call *trace.Call) netstate.BindRequest {
	return netstate.BindRequest{
		Network: netstate.Network(call.Network), Address: callAddress(call), Port: call.Local.Port(),
		ReuseAddr: call.ReuseAddr, ReusePort: call.ReusePort, V6Only: call.V6Only,
		Device: call.Device, FreeBind: call.Transparent,
	}
}

// ownRights tells whether a bind of this process is like one of the program's.
func ownRights(call *trace.Call) bool {
	return !call.OtherNetwork && !call.Transparent && int(call.UID) == os.Geteuid() && call.BindPrivileged == bindPrivileged()
}

// callHeader says which call failed where.
func callHeader(call *trace.Call) string {
	if call.PID == 0 {
		return callName(call) + " failed in a process that has ended"
	}
	return fmt.Sprintf("%s failed in %s (pid %d)", callName(call), call.Program, call.PID)
}

// callName is the call with its address.
func callName(call *trace.Call) string { return string(call.Op) + " " + addressText(call) }

// addressText is the address of a call, written in full.
func addressText(call *trace.Call) string {
	if call.Network == "unix" {
		return call.Path
	}
	text := net.JoinHostPort(callAddress(call).String(), strconv.Itoa(int(callEndpoint(call).Port())))
	if call.Network == "udp" {
		text += "/udp"
	}
	return text
}

// failureKey is the same for calls that fail for the same reason: retries of
// one program, in whatever process.
func failureKey(call *trace.Call) string {
	return fmt.Sprintf("%s\x00%s\x00%t%t%t", callName(call), call.Program, call.ReuseAddr, call.ReusePort, call.V6Only)
}
