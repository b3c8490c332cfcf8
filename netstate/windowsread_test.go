package netstate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeWindows is a Windows that says what it is told to.
type fakeWindows struct {
	// tables are the answers to one reading after the other; the last one
	// stays.
	tables    []ownerRows
	readings  int
	list      []systemProcess
	running   map[int][]string
	modules   map[int]string
	rules     []PortForward
	printed   map[string]string // by the arguments of netsh
	suspendee int
	refusal   error // of everything that can be refused
}

func (f *fakeWindows) sockets(_ context.Context, network Network) (ownerRows, []Limit, error) {
	var of ownerRows
	for _, row := range f.tables[min(f.readings, len(f.tables)-1)] {
		if row.Network == network {
			of = append(of, row)
		}
	}
	f.readings++
	return of, nil, nil
}

func (f *fakeWindows) processes() (processTree, error) {
	if f.refusal != nil {
		return nil, f.refusal
	}
	return newProcessTree(f.list), nil
}

func (f *fakeWindows) facts(p *Process) error {
	p.User = `PC\user`
	return f.refusal
}

func (f *fakeWindows) suspended(p *systemProcess) ProcessState {
	if p.pid == f.suspendee {
		return Stopped
	}
	return ""
}

func (f *fakeWindows) services() (map[int][]string, error) { return f.running, f.refusal }
func (f *fakeWindows) module(r ownerRow) string            { return f.modules[r.pid] }
func (f *fakeWindows) portProxy() ([]PortForward, error)   { return f.rules, f.refusal }
func (f *fakeWindows) policy(s *Snapshot)                  { s.Host.Release = "10.0.26100" }
func (f *fakeWindows) netsh(_ context.Context, arguments ...string) (string, error) {
	return f.printed[strings.Join(arguments, " ")], nil
}

// describe is a snapshot in lines.
func describe(s *Snapshot) string {
	var b strings.Builder
	for _, socket := range s.Sockets {
		fmt.Fprintln(&b, strings.TrimSpace(describeSocket(socket)+" "+socket.Service))
	}
	for _, peer := range s.Peers {
		fmt.Fprintln(&b, "peer", describeSocket(peer))
	}
	for _, p := range s.Processes {
		fmt.Fprintln(&b, strings.TrimSpace(fmt.Sprintf("process %d %s %s of %v %s", p.PID, p.Name, p.State, p.Ancestors, strings.Join(p.Services, ","))))
	}
	for _, k := range s.Kernel {
		fmt.Fprintf(&b, "%s on %d for %v: %v\n", k.Name, k.Port, k.Queue.PIDs, k.Queue.URLs)
	}
	for _, forward := range s.Forwards {
		fmt.Fprintf(&b, "forward %s to %s\n", forward.Listen, forward.To)
	}
	if e := s.Ephemeral; e != nil {
		fmt.Fprintf(&b, "%d of %d ephemeral ports\n", e.Used, e.Available)
	}
	for network, ranges := range s.Policy.ExcludedPorts {
		fmt.Fprintf(&b, "excluded %s: %v\n", network, ranges)
	}
	for _, limit := range s.Limits {
		fmt.Fprintf(&b, "limit %s: %s: %s\n", limit.Kind, limit.What, limit.Why)
	}
	return b.String()
}

const (
	noExclusions = "x\n----------    --------\n"
	dynamicRange = "x\n---------------------\nStart : 50000\nNumber : 10\n"
)

// usualNetsh is a netsh that has nothing to tell about the ports.
func usualNetsh(more map[string]string) map[string]string {
	printed := map[string]string{
		"interface ipv4 show excludedportrange protocol=tcp": noExclusions,
		"interface ipv6 show excludedportrange protocol=tcp": noExclusions,
		"interface ipv4 show excludedportrange protocol=udp": noExclusions,
		"interface ipv6 show excludedportrange protocol=udp": noExclusions,
		"interface ipv4 show dynamicport tcp":                dynamicRange,
		"interface ipv4 show dynamicport udp":                dynamicRange,
	}
	for command, text := range more {
		printed[command] = text
	}
	return printed
}

func TestReadWindows(t *testing.T) {
	later := func(minutes int) time.Time { return aMoment.Add(time.Duration(minutes) * time.Minute) }
	suspended := []systemThread{{8, threadWaiting, waitReasonSuspended}}
	tests := map[string]struct {
		query  Endpoint
		system fakeWindows
		want   string
	}{
		"HTTP.sys": {
			Endpoint{Network: TCP, Port: 80},
			fakeWindows{
				tables: []ownerRows{rowsOfNetstat(t, windowsCapture(t, "netstat-ano_pid4_port80.txt"))},
				list:   []systemProcess{{pid: 4, name: "System"}, {pid: 2668, parent: 700, name: "svchost.exe", threads: []systemThread{{12, 5, 15}}}},
				printed: usualNetsh(map[string]string{
					"http show servicestate":                             windowsCapture(t, "netsh_http_servicestate_processids.txt"),
					"interface ipv6 show excludedportrange protocol=tcp": windowsCapture(t, "netsh_excludedportrange_crlf.txt"),
				}),
				running: map[int][]string{2668: {"BITS", "PeerDistSvc"}},
			}, `
0.0.0.0:80 - LISTEN pid 4
process 4 System  of []
process 2668 svchost.exe running of [700] BITS,PeerDistSvc
HTTP.sys on 80 for [2668]: [HTTP://+:80/116B50EB-ECE2-41AC-8429-9F9E963361B7/]
excluded tcp: [{1024 1223}]
`},
		"heirs of processes that have ended": {
			Endpoint{Network: TCP, Port: 5665},
			fakeWindows{
				tables: []ownerRows{rowsOfNetstat(t, windowsCapture(t, "netstat-ano_german_dead-pids.txt"))},
				list: []systemProcess{
					{pid: 9000, parent: 15136, name: "check.exe", created: later(1)},
					{pid: 9004, parent: 9000, name: "conhost.exe", created: later(2), threads: suspended},
					{pid: 9008, parent: 77, name: "other.exe"},
				},
				printed:   usualNetsh(nil),
				suspendee: 9000,
			}, `
0.0.0.0:5665 - LISTEN last pid 15136
0.0.0.0:5665 - LISTEN last pid 8692
192.168.165.2:5665 - CLOSE_WAIT last pid 8692
192.168.165.2:5665 - CLOSE_WAIT last pid 15136
192.168.165.2:5665 - ESTABLISHED last pid 15136
[::]:5665 - LISTEN last pid 8692
process 9000 check.exe stopped of [15136]
process 9004 conhost.exe stopped of [9000 15136]
excluded tcp: []
`},
		"ended while it was read": {
			Endpoint{Network: TCP, Port: 5188},
			fakeWindows{
				tables:  []ownerRows{decodedRows(t, &tcp4Owners, tableRow{local: "0.0.0.0:5188", state: 2, pid: 8}), nil},
				printed: usualNetsh(nil),
			}, `
excluded tcp: []
`},
		"service of several in a process, and the only one": {
			Endpoint{Network: UDP, Port: 5353},
			fakeWindows{
				tables: []ownerRows{decodedRows(t, &udp4Owners,
					tableRow{local: "0.0.0.0:5353", pid: 8}, tableRow{local: "127.0.0.1:5353", pid: 12}, tableRow{local: "127.0.0.2:5353", pid: 16})},
				list:    []systemProcess{{pid: 8, name: "svchost.exe"}, {pid: 12, name: "svchost.exe"}, {pid: 16, name: "svchost.exe"}},
				running: map[int][]string{8: {"Dnscache", "NlaSvc"}, 12: {"Spooler"}, 16: {"A", "B"}},
				modules: map[int]string{8: "Dnscache", 12: "Spooler", 16: "svchost.exe"},
				printed: usualNetsh(nil),
			}, `
0.0.0.0:5353 - UNCONNECTED pid 8 Dnscache
127.0.0.1:5353 - UNCONNECTED pid 12
127.0.0.2:5353 - UNCONNECTED pid 16
process 8 svchost.exe  of [] Dnscache,NlaSvc
process 12 svchost.exe  of [] Spooler
process 16 svchost.exe  of [] A,B
excluded udp: []
`},
		"forwarding": {
			Endpoint{Network: TCP, Port: 2222},
			fakeWindows{
				tables:  []ownerRows{nil},
				rules:   []PortForward{{TCP, mustEnd("192.168.1.1:2222"), "10.0.0.1:22"}, {TCP, mustEnd("192.168.1.1:2223"), "10.0.0.1:23"}},
				printed: usualNetsh(nil),
			}, `
forward 192.168.1.1:2222 to 10.0.0.1:22
excluded tcp: []
`},
		"peers of what nobody has open": {
			Endpoint{Network: TCP, Port: 5188},
			fakeWindows{
				tables: []ownerRows{decodedRows(t, &tcp4Owners,
					tableRow{local: "127.0.0.1:5188", remote: "127.0.0.1:50001", state: 7},
					tableRow{local: "127.0.0.1:50001", remote: "127.0.0.1:5188", state: 8, pid: 8})},
				list:    []systemProcess{{pid: 8, name: "client.exe", threads: suspended}},
				printed: usualNetsh(nil),
			}, `
127.0.0.1:5188 - FIN_WAIT2
peer 127.0.0.1:50001 - CLOSE_WAIT pid 8
process 8 client.exe stopped of []
excluded tcp: []
`},
		"port 0": {
			Endpoint{Network: TCP},
			fakeWindows{
				tables:  []ownerRows{decodedRows(t, &tcp4Owners, tableRow{local: "0.0.0.0:50001", state: 2, pid: 8})},
				printed: usualNetsh(map[string]string{"interface ipv4 show excludedportrange protocol=tcp": noExclusions + "50002 50003\n"}),
			}, `
1 of 8 ephemeral ports
excluded tcp: [{50002 50003}]
`},
		"nothing but sockets": {
			Endpoint{Network: TCP, Port: 5188},
			fakeWindows{
				tables: []ownerRows{decodedRows(t, &tcp4Owners,
					tableRow{local: "127.0.0.1:5188", state: 2}, tableRow{local: "0.0.0.0:5188", state: 2, pid: 4})},
				refusal: fmt.Errorf("refused: %w", fs.ErrPermission),
			}, `
127.0.0.1:5188 - LISTEN
0.0.0.0:5188 - LISTEN pid 4
limit policy: the range of ports that port 0 and outgoing connections get: reading it failed: netsh printed no table
limit policy: the tcp ports that the system has excluded: reading it failed: netsh printed no table
limit process: which processes there are: reading it failed: refused: permission denied
limit owners: the owners of sockets on the port: the system names no process for them
limit source: which programs HTTP.sys listens for: reading it failed: netsh printed no table
limit process: which services the processes run: reading it failed: refused: permission denied
`},
		"the registry is closed": {
			Endpoint{Network: TCP, Port: 2222},
			fakeWindows{
				tables:  []ownerRows{nil},
				refusal: fs.ErrPermission,
				printed: usualNetsh(map[string]string{"interface portproxy show all": windowsCapture(t, "netsh_portproxy_show_all.txt")}),
			}, `
forward 192.168.226.64:2222 to 10.4.226.215:22
excluded tcp: []
`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &Snapshot{Query: Query{Endpoints: []Endpoint{test.query}}}
			if err := readWindows(t.Context(), s, &test.system); err != nil {
				t.Fatal(err)
			}
			if err := s.check(); err != nil || s.Host.Release == "" {
				t.Errorf("%v, host %+v", err, s.Host)
			}
			if diff := cmp.Diff(test.want, "\n"+describe(s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadWindowsEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &Snapshot{Query: Query{Endpoints: []Endpoint{{Network: TCP, Port: 1}}}}
	if err := readWindows(ctx, s, &fakeWindows{tables: []ownerRows{nil}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
