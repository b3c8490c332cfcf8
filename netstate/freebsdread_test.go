package netstate

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// freebsdOf is a system made of bytes: a server with a worker, a connection of
// theirs, one in TIME_WAIT, and a socket of the kernel.
func freebsdOf(lists map[string][]byte) freebsdSystem {
	const boot = 1_700_000_000
	processes := map[int][]byte{
		811: kinfo{pid: 811, parent: 1, group: 811, session: 811, uid: 80, name: "nginx", state: 3, started: boot}.record(),
		812: kinfo{pid: 812, parent: 811, group: 811, session: 811, uid: 80, name: "nginx", state: 4, flags: 0x20000, exit: 17, started: boot}.record(),
		1:   kinfo{pid: 1, name: "init", state: 3}.record(),
	}
	return freebsdSystem{
		list: func(name string) ([]byte, error) {
			if list, ok := lists[name]; ok {
				return list, nil
			}
			return nil, errors.New("no list")
		},
		sockstat:   func(context.Context, ...string) ([]byte, error) { return nil, errors.New("no sockstat") },
		zone:       zoneNumber,
		terminal:   func(uint64) string { return "" },
		process:    func(pid int) ([]byte, error) { return processes[pid], nil },
		arguments:  func(pid int) []string { return []string{"nginx: worker"} },
		executable: func(int) string { return "/usr/local/sbin/nginx" },
		root: fstest.MapFS{
			"var/run/nginx.pid":        {Data: []byte("811\n"), ModTime: time.Unix(boot+1, 0)},
			"usr/local/etc/rc.d/nginx": {Mode: 0o555},
		},
		pid: 5000, view: freebsdView{root: true},
	}
}

func freebsdLists() map[string][]byte {
	const inet, socketType = 2, 2
	connection := pcb{state: 4, socket: 0xb, generation: 21, family: inet, versions: 1,
		local: endpoint("127.0.0.1:80"), remote: endpoint("127.0.0.1:4000")}
	waiting := pcb{state: 10, twoMSL: 9000, socket: 0xc, generation: 22, family: inet, versions: 1, flags: 0x0800_0000,
		local: endpoint("127.0.0.1:80"), remote: endpoint("127.0.0.1:4001")}
	return map[string][]byte{
		"net.inet.tcp.pcblist": freebsdPCBList(TCP,
			pcb{state: 1, socket: 0xa, generation: 20, family: inet, uid: 80, versions: 1, local: endpoint("0.0.0.0:80")},
			connection, waiting,
			pcb{state: 1, socket: 0xd, generation: 23, family: inet, versions: 1, local: endpoint("0.0.0.0:81")},
		),
		"kern.file": xfiles(xfile(811, 6, socketType, 0xa), xfile(812, 6, socketType, 0xa), xfile(812, 9, socketType, 0xb),
			xfile(5000, 0, 1, 0xe)),
	}
}

func askFreeBSD(t *testing.T, f freebsdSystem, ports ...uint16) *Snapshot {
	t.Helper()
	s := &Snapshot{}
	for _, port := range ports {
		s.Query.Endpoints = append(s.Query.Endpoints, Endpoint{Network: TCP, Port: port})
	}
	if err := f.readSockets(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	f.readProcesses(s)
	return s
}

func TestReadFreeBSD(t *testing.T) {
	s := askFreeBSD(t, freebsdOf(freebsdLists()), 80)
	if len(s.Sockets) != 3 || len(s.Limits) != 0 || len(s.Processes) != 2 {
		t.Fatalf("sockets %+v, limits %+v, processes %+v", s.Sockets, s.Limits, s.Processes)
	}
	owners := []Owner{{PID: 811, FDs: []int{6}}, {PID: 812, FDs: []int{6}}}
	if diff := cmp.Diff(owners, s.Sockets[0].Owners); diff != "" {
		t.Errorf("owners of the listener (-want +got):\n%s", diff)
	}
	if s.Sockets[2].Inode != 0 || s.Sockets[2].Owners != nil || s.Sockets[2].Timer.RemainingMilliseconds != 9000 {
		t.Errorf("in TIME_WAIT: %+v", s.Sockets[2])
	}
	worker := s.Processes[1]
	if worker.State != Stopped || worker.StopSignal != "SIGSTOP" || worker.Unit != "nginx" || worker.Exe == "" ||
		!slices.Equal(worker.Ancestors, []int{811, 1}) {
		t.Errorf("worker %+v", worker)
	}
}

// What a capture writes is read again word for word.
func TestReadFreeBSDEncoded(t *testing.T) {
	s := askFreeBSD(t, freebsdOf(freebsdLists()), 80)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var again Snapshot
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*s, again, cmpopts.EquateComparable(netip.AddrPort{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A socket that no process has is one of the kernel's only where every process
// was seen.
func TestReadFreeBSDOwnerless(t *testing.T) {
	if s := askFreeBSD(t, freebsdOf(freebsdLists()), 81); len(s.Sockets) != 1 || s.Sockets[0].Inode != 23 || len(s.Limits) != 0 {
		t.Errorf("for root: %+v", s)
	}
	ordinary := freebsdOf(freebsdLists())
	ordinary.view = freebsdView{}
	if s := askFreeBSD(t, ordinary, 81); !hasLimits(s, LimitOwners) {
		t.Errorf("for an ordinary user: %+v", s.Limits)
	}
	// A list of descriptors from which this process is missing, or one of
	// another layout.
	for _, list := range [][]byte{xfiles(xfile(811, 6, 2, 0xa)), xfile(5000, 0, 1, 0)[:100]} {
		lists := freebsdLists()
		lists["kern.file"] = list
		if s := askFreeBSD(t, freebsdOf(lists), 81); !hasLimits(s, LimitOwners) {
			t.Errorf("with part of the descriptors: %+v", s.Limits)
		}
	}
}

// Where the kernel's records are not known, sockstat is asked; where that is
// not either, it is a limit that keeps the port from being called free.
func TestReadFreeBSDFallback(t *testing.T) {
	lists := freebsdLists()
	lists["net.inet.tcp.pcblist"] = lists["net.inet.tcp.pcblist"][:900]
	f := freebsdOf(lists)
	if s := askFreeBSD(t, f, 80); len(s.Sockets) != 0 || !hasLimits(s, LimitUnsupported) {
		t.Errorf("without sockstat: %+v", s)
	}
	const line = "www nginx 812 6 tcp4 *:80 *:*"
	var asked [][]string
	f.sockstat = func(_ context.Context, arguments ...string) ([]byte, error) {
		asked = append(asked, arguments)
		if slices.Contains(arguments, "-s") {
			return nil, errors.New("illegal option -- s")
		}
		return []byte(line), nil
	}
	s := askFreeBSD(t, f, 80)
	if len(s.Sockets) != 1 || len(s.Processes) != 1 || !hasLimits(s, LimitSource, LimitSource, LimitSource, LimitSource) {
		t.Errorf("with sockstat: %+v", s)
	}
	want := [][]string{{"-46", "-P", "tcp", "-s"}, {"-46", "-P", "tcp"}}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestReadFreeBSDCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := freebsdOf(freebsdLists())
	s := &Snapshot{Query: Query{Endpoints: []Endpoint{{Network: TCP, Port: 80}}}}
	if err := f.readSockets(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A process that can't be decoded is a limit, and still an owner.
func TestReadFreeBSDUnknownProcess(t *testing.T) {
	f := freebsdOf(freebsdLists())
	f.process = func(int) ([]byte, error) { return make([]byte, 768), nil }
	s := askFreeBSD(t, f, 80)
	if len(s.Processes) != 0 || len(s.Sockets[0].Owners) != 2 || !hasLimits(s, LimitProcess) {
		t.Errorf("processes %+v, limits %+v", s.Processes, s.Limits)
	}
}

func hasLimits(s *Snapshot, kinds ...LimitKind) bool {
	return slices.EqualFunc(s.Limits, kinds, func(l Limit, kind LimitKind) bool { return l.Kind == kind })
}
