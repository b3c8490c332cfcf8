package netstate

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// sameSnapshot compares what JSON can tell apart: a time by its instant, and
// no list as an empty one.
var sameSnapshot = cmp.Options{
	cmpopts.EquateEmpty(),
	cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}),
}

func encodeSnapshot(t testing.TB, s *Snapshot) []byte {
	t.Helper()
	var text bytes.Buffer
	if err := s.Write(&text); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func pointer[T any](value T) *T { return &value }

// fullSnapshot has something in every field.
func fullSnapshot() *Snapshot {
	taken := time.Date(2026, 11, 22, 9, 0, 0, 123_000_000, time.UTC)
	owners := []Owner{{PID: 4211, FDs: []int{3, 5}, CloseOnExec: pointer(false), Waits: WaitsNo}}
	return &Snapshot{
		Schema: SnapshotSchema,
		Taken:  taken,
		Host:   Host{OS: "linux", Release: "6.18.44", Privileged: true, User: "alice"},
		Query: Query{Endpoints: []Endpoint{
			{Network: TCP, Port: 5188, LastPort: 5190}, {Network: Unix, Path: "@a\x00b <&>"},
		}},
		Sockets: []Socket{{
			Network: TCP, Family: IPv6, Local: netip.MustParseAddrPort("[fe80::1%eth0]:5188"),
			Remote: netip.MustParseAddrPort("[::ffff:10.0.0.1]:40000"), State: StateTimeWait,
			UID: pointer(uint32(0)), Inode: 91234, Cookie: 1<<64 - 1, Device: "eth0",
			Timer:   &Timer{Kind: TimerTimeWait, RemainingMilliseconds: 59980},
			Options: Options{ReuseAddr: pointer(true), V6Only: pointer(false)},
			Origin:  OriginAccept, ReceiveQueue: 1, SendQueue: 128, CgroupID: 77, Cgroup: "/user.slice", Owners: owners,
		}},
		Unix: []UnixSocket{{
			Path: "/run/x.sock", Type: "stream", State: StateListen, UID: pointer(uint32(1000)), Inode: 5,
			FileDevice: 26, FileInode: 1 << 40, Owners: owners,
		}},
		Paths: []Path{{
			Path: "/run/x.sock", Kind: PathSocket, Device: 26, Inode: 1 << 40, UID: pointer(uint32(1000)),
			Modified: taken.Add(-time.Hour), Connect: "EPROTOTYPE", Errno: "EACCES",
		}},
		Processes: []Process{{
			PID: 4211, PPID: 4100, PGID: 4211, SID: 4100, Name: "server", Command: []string{"./server", "--token=s3cret"},
			Exe: "/home/alice/server", ExeDeleted: true, UID: pointer(uint32(1000)), User: "alice", Started: taken.Add(-time.Hour),
			TTY: "pts/3", State: Stopped, StopSignal: "SIGTSTP", StoppedFor: 720_000,
			Tracer: &ProcessRef{PID: 9, Name: "gdb"}, Shell: &ProcessRef{PID: 4100, Name: "bash"},
			Ancestors: []int{4100, 1}, ParentName: "bash", Cgroup: "/user.slice", FrozenBy: "/user.slice",
			Unit: "x.service", UserUnit: true, Container: "0123abc", CanListen: pointer(false),
		}},
		Policy: Policy{
			UID: pointer(uint32(1000)), BindPrivileged: pointer(false), UnprivilegedPortStart: pointer(1024),
			EphemeralPorts: &PortRange{32768, 60999}, ReservedPorts: []PortRange{{8080, 8080}},
			ExcludedPorts: map[Network][]PortRange{TCP: {{50000, 50059}}}, BindV6Only: pointer(false),
			NonlocalBind4: pointer(true), NonlocalBind6: pointer(false), AutobindReuse: pointer(false),
			IPv4: pointer(true), IPv6: pointer(true), IPv6Disabled: pointer(false),
			Addresses: []InterfaceAddress{{
				Interface: "eth0", Index: 2, Prefix: netip.MustParsePrefix("10.0.0.5/24"),
				Broadcast: netip.MustParseAddr("10.0.0.255"), Tentative: true,
			}},
		},
		Observed: []BindOutcome{{Result: "EADDRINUSE", Request: BindRequest{
			Network: TCP, Address: netip.MustParseAddr("fe80::1%eth0"), Port: 5188, ReuseAddr: true, ReusePort: true,
			V6Only: true, Exclusive: true, Device: "eth0",
		}}},
		Ephemeral: &EphemeralUse{Network: TCP, Available: 28232, Used: 3},
		Kernel:    []KernelHolder{{Network: UDP, Port: 4789, Name: "the vxlan device vxlan0", Kind: "vxlan", Device: "vxlan0"}},
		Limits:    []Limit{{Kind: LimitOwners, What: "the owner of socket 91234", Why: "it belongs to root", Inodes: []uint64{91234}}},
	}
}

func TestSnapshotRoundTrip(t *testing.T) {
	want := fullSnapshot()
	got, err := ReadSnapshot(bytes.NewReader(encodeSnapshot(t, want)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameSnapshot); diff != "" {
		t.Error(diff)
	}
}

func TestSnapshotRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := fullSnapshot()
		draw := func(name string) string { return rapid.String().Draw(t, name) }
		want.Taken = time.UnixMilli(rapid.Int64Range(0, 1<<41).Draw(t, "taken"))
		want.Sockets = rapid.SliceOf(rapid.Custom(drawSocket)).Draw(t, "sockets")
		want.Unix[0].Path = draw("path")
		want.Processes[0].Command = rapid.SliceOf(rapid.String()).Draw(t, "command")
		want.Policy.ReservedPorts = rapid.SliceOf(rapid.Custom(drawRange)).Draw(t, "reserved")
		want.Limits[0].Why = draw("why")
		var text bytes.Buffer
		if err := want.Write(&text); err != nil {
			t.Fatal(err)
		}
		got, err := ReadSnapshot(&text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, sameSnapshot); diff != "" {
			t.Fatal(diff)
		}
	})
}

func drawSocket(t *rapid.T) Socket {
	addrPort := func(name string) netip.AddrPort {
		size := rapid.SampledFrom([]int{4, 16}).Draw(t, name+" family")
		address, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, name+" address"))
		return netip.AddrPortFrom(address, rapid.Uint16().Draw(t, name+" port"))
	}
	return Socket{
		Network: rapid.SampledFrom([]Network{TCP, UDP}).Draw(t, "network"),
		Local:   addrPort("local"), Remote: addrPort("remote"),
		State: StateListen,
		UID:   rapid.Ptr(rapid.Uint32(), true).Draw(t, "uid"),
		Inode: rapid.Uint64().Draw(t, "inode"),
		Options: Options{
			ReuseAddr: rapid.Ptr(rapid.Bool(), true).Draw(t, "reuseaddr"),
		},
	}
}

func drawRange(t *rapid.T) PortRange {
	first := rapid.Uint16().Draw(t, "first")
	return PortRange{First: first, Last: rapid.Uint16Range(first, 1<<16-1).Draw(t, "last")}
}

func TestReadSnapshotErrors(t *testing.T) {
	good := string(encodeSnapshot(t, fullSnapshot()))
	with := func(old, new string) string {
		if strings.Count(good, old) != 1 {
			t.Fatalf("%q is there %d times", old, strings.Count(good, old))
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, test := range []struct{ text, want string }{
		{"", "it is empty"},
		{" \n", "it is empty"},
		{"LISTEN 0 128", "it is not JSON: invalid character 'L' looking for beginning of value at byte 1"},
		{"[]", "it is a JSON array and no object"},
		{"{}", `it has no schema; "portdoc.snapshot/v1" is read here`},
		{`{"schema": 1}`, "schema can't be a JSON number"},
		{`{"schema": "portdoc.report/v1"}`, `its schema is "portdoc.report/v1"; "portdoc.snapshot/v1" is read here`},
		{`{"schema": "portdoc.snapshot/v2", "sockets": 1}`, `its schema is "portdoc.snapshot/v2"; "portdoc.snapshot/v1" is read here`},
		{good[:400], "it is cut off after 400 bytes"},
		{good + "x", "more follows it at byte " + strconv.Itoa(len(good)+1)},
		{good + good, "more follows it at byte " + strconv.Itoa(len(good)+1)},
		{with(`"inode": 91234`, `"inode": -1`), "sockets.inode can't be a JSON number -1"},
		{with(`"[fe80::1%eth0]:5188"`, `"nowhere"`), "not an ip:port"},
		{with(`"2026-11-22T09:00:00.123Z"`, `"now"`), `parsing time "now"`},
		{with(`"last_port": 5190`, `"last_port": 5187`), "query.endpoints[0] ends before it begins: 5188-5187"},
		{with(`"remaining_ms": 59980`, `"remaining_ms": -1`), "sockets[0].timer.remaining_ms is negative: -1"},
		{with(`"ppid": 4100`, `"ppid": -1`), "processes[0].ppid is negative: -1"},
		{with(`"pgid": 4211`, `"pgid": -1`), "processes[0].pgid is negative: -1"},
		{with(`"sid": 4100`, `"sid": -2`), "processes[0].sid is negative: -2"},
		{with(`"stopped_for_ms": 720000`, `"stopped_for_ms": -1`), "processes[0].stopped_for_ms is negative: -1"},
		{with(`"pid": 9,`, `"pid": -9,`), "processes[0].tracer.pid is negative: -9"},
		{with("4100,\n        1\n", "4100,\n        -1\n"), "processes[0].ancestors[1] is negative: -1"},
		{strings.Replace(good, `"pid": 4211`, `"pid": -1`, 1), "sockets[0].owners[0].pid is negative: -1"},
		{strings.Replace(good, "            3,", "            -3,", 1), "sockets[0].owners[0].fds is negative: -3"},
		{with(`"first": 32768`, `"first": 61000`), "policy.ephemeral_ports ends before it begins: 61000-60999"},
		{with(`"first": 50000`, `"first": 50060`), "policy.excluded_ports.tcp ends before it begins: 50060-50059"},
		{with(`"first": 8080`, `"first": 8081`), "policy.reserved_ports ends before it begins: 8081-8080"},
		{with(`"unprivileged_port_start": 1024`, `"unprivileged_port_start": 65537`), "policy.unprivileged_port_start is no port: 65537"},
		{with(`"used": 3`, `"used": -3`), "ephemeral_use is negative: -3 of 28232"},
	} {
		_, err := ReadSnapshot(strings.NewReader(test.text))
		if !errors.Is(err, ErrSnapshot) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

func TestReadSnapshotReaderError(t *testing.T) {
	_, err := ReadSnapshot(iotest.ErrReader(os.ErrPermission))
	if !errors.Is(err, os.ErrPermission) || errors.Is(err, ErrSnapshot) {
		t.Error(err)
	}
}

func TestReadSnapshotTooLarge(t *testing.T) {
	text := encodeSnapshot(t, fullSnapshot())
	size := int64(len(text))
	if _, err := readSnapshot(bytes.NewReader(text), size); err != nil {
		t.Error(err)
	}
	_, err := readSnapshot(bytes.NewReader(text), size-1)
	if !errors.Is(err, ErrSnapshot) || !strings.HasSuffix(err.Error(), "it is larger than "+strconv.FormatInt(size-1, 10)+" bytes") {
		t.Error(err)
	}
}

// A later version may add fields and names to the same schema.
func TestReadSnapshotOfLaterVersion(t *testing.T) {
	s, err := ReadSnapshot(strings.NewReader(
		`{"schema": "portdoc.snapshot/v1", "sockets": [{"state": "NEW", "network": "sctp", "more": [1]}], "more": {}}`))
	if err != nil || s.Sockets[0].State != "NEW" || s.Sockets[0].Network != "sctp" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWithoutArguments(t *testing.T) {
	s := fullSnapshot()
	s.Processes = append(s.Processes,
		Process{PID: 1, Command: []string{"nginx: master process nginx -g secret"}},
		Process{PID: 2, Exe: "/opt/a b/c", Command: []string{"/opt/a b/c", "secret"}},
		Process{PID: 3, Command: []string{}},
		Process{PID: 4},
	)
	before := encodeSnapshot(t, s)
	shorter := s.WithoutArguments()
	if !bytes.Equal(before, encodeSnapshot(t, s)) {
		t.Error("the original has changed")
	}
	want := fullSnapshot()
	want.Processes[0].Command = []string{"./server"}
	want.Processes = append(want.Processes,
		Process{PID: 1, Command: []string{"nginx:"}},
		Process{PID: 2, Exe: "/opt/a b/c", Command: []string{"/opt/a b/c"}},
		Process{PID: 3, Command: []string{}},
		Process{PID: 4},
	)
	if diff := cmp.Diff(want, shorter, sameSnapshot); diff != "" {
		t.Error(diff)
	}
}

// FuzzReadSnapshot looks for input that panics, or that is accepted and not
// the same after it was written and read again.
func FuzzReadSnapshot(f *testing.F) {
	f.Add(encodeSnapshot(f, fullSnapshot()))
	f.Add(encodeSnapshot(f, &Snapshot{Schema: SnapshotSchema}))
	f.Add([]byte(`{"schema": "portdoc.snapshot/v1", "sockets": [{"local": "[::1%a]:1", "timer": null}], "taken": "2026-01-01T00:00:00+23:59"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ReadSnapshot(bytes.NewReader(text))
		if err != nil {
			if !errors.Is(err, ErrSnapshot) {
				t.Fatal(err)
			}
			return
		}
		again, err := ReadSnapshot(bytes.NewReader(encodeSnapshot(t, s)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, again, sameSnapshot); diff != "" {
			t.Fatal(diff)
		}
	})
}
