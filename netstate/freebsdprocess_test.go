package netstate

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// kinfo is a struct kinfo_proc, made by its documented layout.
type kinfo struct {
	pid, parent, group, session, tracer uint32
	uid                                 uint32
	state                               byte
	flags, terminal                     uint64
	exit                                uint16
	started                             int64
	name                                string
}

func (k kinfo) record() []byte {
	record := make([]byte, 1088)
	for at, value := range map[int]uint32{0: 1088, 72: k.pid, 76: k.parent, 80: k.group, 88: k.session, 168: k.uid, 576: k.tracer} {
		binary.NativeEndian.PutUint32(record[at:], value)
	}
	binary.NativeEndian.PutUint16(record[304:], k.exit)
	binary.NativeEndian.PutUint64(record[336:], uint64(k.started))
	binary.NativeEndian.PutUint64(record[344:], 250_000)
	binary.NativeEndian.PutUint64(record[368:], k.flags)
	record[388] = k.state
	copy(record[447:467], k.name)
	binary.NativeEndian.PutUint64(record[560:], k.terminal)
	return record
}

// table looks up processes among records.
func table(t *testing.T, records ...kinfo) func(int) *freebsdProcess {
	t.Helper()
	processes := make(map[int]*freebsdProcess)
	for _, k := range records {
		p, err := decodeFreeBSDProcess(k.record())
		if err != nil {
			t.Fatal(err)
		}
		processes[p.pid] = &p
	}
	return func(pid int) *freebsdProcess { return processes[pid] }
}

func TestFreeBSDProcesses(t *testing.T) {
	lookup := table(t,
		kinfo{pid: 1, name: "init", state: 3, terminal: 1<<64 - 1},
		kinfo{pid: 500, parent: 1, group: 500, session: 500, name: "sh", state: 3, terminal: 0x7b, started: 1_700_000_000},
		kinfo{pid: 600, parent: 500, group: 600, session: 500, uid: 1001, name: "a name of 19 bytes!", state: 4, flags: 0x20000,
			exit: 18, terminal: 0x7b, started: 1_700_000_100},
		kinfo{pid: 601, parent: 600, group: 601, session: 601, name: "traced", state: 4, flags: 0x800 | 0x40000, tracer: 500, terminal: 1<<64 - 1},
		kinfo{pid: 602, parent: 999, name: "zombie", state: 5},
	)
	got := freebsdProcesses([]int{600, 601, 602, 700}, lookup, func(device uint64) string {
		return map[uint64]string{0: "", 0x7b: "pts/3"}[device]
	})
	started := func(seconds int64) time.Time { return time.Unix(seconds, 250_000_000) }
	want := []Process{
		{PID: 600, PPID: 500, PGID: 600, SID: 500, Name: "a name of 19 bytes!", UID: new(uint32(1001)), Started: started(1_700_000_100),
			State: Stopped, StopSignal: "SIGTSTP", TTY: "pts/3", Ancestors: []int{500, 1}, ParentName: "sh",
			Shell: &ProcessRef{PID: 500, Name: "sh"}},
		{PID: 601, PPID: 600, PGID: 601, SID: 601, Name: "traced", UID: new(uint32(0)), State: Traced,
			Tracer: &ProcessRef{PID: 500, Name: "sh"}, Ancestors: []int{600, 500, 1}, ParentName: "a name of 19 bytes!"},
		{PID: 602, PPID: 999, Name: "zombie", UID: new(uint32(0)), State: Zombie},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A process that stops by itself is stopped, also while a debugger looks on;
// other numbers in the place of the signal are those of an exit.
func TestFreeBSDProcessStates(t *testing.T) {
	for name, test := range map[string]struct {
		kinfo  kinfo
		state  ProcessState
		signal string
	}{
		"runs":            {kinfo{state: 2}, Running, ""},
		"sleeps":          {kinfo{state: 3, exit: 17}, Running, ""},
		"traced and runs": {kinfo{state: 3, flags: 0x800}, Running, ""},
		"SIGSTOP":         {kinfo{state: 4, flags: 0x20000, exit: 17}, Stopped, "SIGSTOP"},
		"SIGTTIN":         {kinfo{state: 4, flags: 0x20000, exit: 21}, Stopped, "SIGTTIN"},
		"no stop signal":  {kinfo{state: 4, exit: 9}, Stopped, ""},
		"by a debugger":   {kinfo{state: 4, flags: 0x40800, exit: 17}, Traced, ""},
	} {
		p, err := decodeFreeBSDProcess(test.kinfo.record())
		if err != nil || p.state != test.state || p.stopSignal != test.signal {
			t.Errorf("%s: %s %s, error %v", name, p.state, p.stopSignal, err)
		}
	}
}

func TestDecodeFreeBSDProcessLayout(t *testing.T) {
	whole := kinfo{pid: 1}.record()
	for n := range whole {
		if _, err := decodeFreeBSDProcess(whole[:n]); !errors.Is(err, errLayout) {
			t.Fatalf("%d bytes: error %v", n, err)
		}
	}
	i386 := kinfo{pid: 1}.record()
	binary.NativeEndian.PutUint32(i386, 768)
	if _, err := decodeFreeBSDProcess(i386); !errors.Is(err, errLayout) {
		t.Errorf("another length: error %v", err)
	}
}

// Processes that seem to be each other's parents do not hold anyone up.
func TestFreeBSDProcessesInACircle(t *testing.T) {
	lookup := table(t, kinfo{pid: 10, parent: 11}, kinfo{pid: 11, parent: 10})
	got := freebsdProcesses([]int{10}, lookup, func(uint64) string { return "" })
	if len(got) != 1 || len(got[0].Ancestors) > mostAncestors {
		t.Errorf("%+v", got)
	}
}

func FuzzDecodeFreeBSDProcess(f *testing.F) {
	f.Add(kinfo{pid: 7, name: "x", state: 4, exit: 17}.record())
	f.Fuzz(func(t *testing.T, record []byte) {
		p, err := decodeFreeBSDProcess(record)
		if err != nil && !errors.Is(err, errLayout) || err == nil && p.state == "" {
			t.Errorf("%+v: %v", p, err)
		}
	})
}
