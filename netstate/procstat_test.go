package netstate

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stoppedStat is of a sleep(1) on Linux 6.18, stopped by SIGTSTP.
const stoppedStat = "13053 (sleep) T 13051 13051 6957 34819 -1 4194304 132 0 0 0 0 0 0 0 20 0 1 0 140307 2990080 417 " +
	"18446744073709551615 93829294710784 93829294728713 140730799280464 0 0 0 0 6 0 1 0 0 17 1 0 0 0 0 0 93829294742800 " +
	"93829294744064 93830131294208 140730799286984 140730799286995 140730799286995 140730799288297 20\n"

func TestParseProcessStat(t *testing.T) {
	want := processStat{
		name: "sleep", state: 'T', ppid: 13051, pgid: 13051, sid: 6957, terminal: 34819,
		flags: 4194304, threads: 1, started: 140307, processor: 1, exitCode: 20,
	}
	old := want
	old.processor, old.exitCode = -1, 0
	evil := want
	evil.name = "a) R 1 (b\nc"
	for text, want := range map[string]processStat{
		stoppedStat: want,
		strings.Join(strings.Fields(stoppedStat)[:22], " "): old,
		strings.Replace(stoppedStat, "sleep", evil.name, 1): evil,
	} {
		got, err := parseProcessStat([]byte(text))
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(processStat{})); diff != "" || err != nil {
			t.Errorf("%.40q: %v (-want +got):\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"", "1 (a", "1 )a( S", "1 (a) S 2 3", strings.Replace(stoppedStat, "13051", "x", 1)} {
		if s, err := parseProcessStat([]byte(text)); err == nil {
			t.Errorf("%.40q is taken for %+v", text, s)
		}
	}
}

func TestParseProcessStatus(t *testing.T) {
	text := "Name:\tUid:\\n7\nState:\tt (tracing stop)\nTracerPid:\t812\nUid:\t1000\t1001\t1002\t1003\nGid:\t5\t5\t5\t5\n"
	want := processStatus{uid: new(uint32(1001)), tracer: 812}
	if diff := cmp.Diff(want, parseProcessStatus([]byte(text)), cmp.AllowUnexported(processStatus{})); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if got := parseProcessStatus([]byte("Uid:\tx\tx\tx\tx\nTracerPid:\n")); got.uid != nil || got.tracer != 0 {
		t.Errorf("from a broken status: %+v", got)
	}
}

func TestParseCommandLine(t *testing.T) {
	for text, want := range map[string][]string{
		"":                             nil,
		"./server\x00":                 {"./server"},
		"ls\x00-l\x00\x00":             {"ls", "-l", ""},
		"a\x00b c\x00":                 {"a", "b c"},
		"./server":                     {"./server"},
		"nginx: worker process":        {"nginx: worker process"},
		"sshd: root@pts/0\x00\x00\x00": {"sshd: root@pts/0"},
		"postgres: writer   \x00\x00":  {"postgres: writer"},
		"a\nb\x00\xff\x00":             {"a\nb", "\xff"},
	} {
		if got := parseCommandLine([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestParseDescriptorFlags(t *testing.T) {
	flags, ok := parseDescriptorFlags([]byte("pos:\t0\nflags:\t02000002\nmnt_id:\t17\n"))
	if flags != 0o2000002 || !ok {
		t.Errorf("flags %o, %v", flags, ok)
	}
	for _, text := range []string{"", "pos: 0\n", "flags:\t9\n"} {
		if flags, ok := parseDescriptorFlags([]byte(text)); ok {
			t.Errorf("%q has flags %o", text, flags)
		}
	}
}

func TestParseExecStart(t *testing.T) {
	text := "sleep (13053, #threads: 1)\n---\nse.exec_start                                :       1403193.108148\nprio : 120\n"
	if got, ok := parseExecStart([]byte(text)); got != 1403193.108148 || !ok {
		t.Errorf("%v, %v", got, ok)
	}
	if _, ok := parseExecStart([]byte("se.exec_start : 0.000000\n")); ok {
		t.Error("a thread that never ran has a time")
	}
}

func TestParseUserNames(t *testing.T) {
	passwd := "# users\nroot:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n+nis\nalice:x:1000:1000:A:/:/bin/sh\nbob:x:1001:::\n"
	want := map[uint32]string{0: "root", 1000: "alice"}
	if diff := cmp.Diff(want, parseUserNames([]byte(passwd), map[uint32]bool{0: true, 1000: true, 7: true})); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestTerminalName(t *testing.T) {
	drivers := []byte(`/dev/tty             /dev/tty        5       0 system:/dev/tty
/dev/console         /dev/console    5       1 system:console
serial               /dev/ttyS       4      64 serial
usbserial            /dev/ttyUSB   188 0-511 serial
pty_slave            /dev/pts      136 0-1048575 pty:slave
`)
	for want, device := range map[string]uint32{
		"":         0,
		"pts/3":    136<<8 | 3,
		"pts/300":  136<<8 | 300&0xff | 300>>8<<20,
		"pts/256":  137 << 8,
		"tty2":     4<<8 | 2,
		"ttyS0":    4<<8 | 64,
		"ttyUSB17": 188<<8 | 17,
		"console":  5<<8 | 1,
		"204:64":   204<<8 | 64,
	} {
		if got := terminalName(device, drivers); got != want {
			t.Errorf("%#x: %q, want %q", device, got, want)
		}
	}
}

func FuzzProcessText(f *testing.F) {
	f.Add([]byte(stoppedStat))
	f.Add([]byte("Uid:\t1\t2\t3\t4\nTracerPid:\t7\n"))
	f.Add([]byte("usbserial /dev/ttyUSB 188 0-511 serial\n"))
	f.Add([]byte("tfd:        3 events:       19 data:                3  pos:0 ino:a3ca sdev:9\n"))
	f.Add([]byte("33 26 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"))
	f.Add([]byte("1:freezer:/a\n0::/user.slice/user@1.service/app.slice/a.service\n"))
	f.Add([]byte("7f00-7f01 r-xp 00000000 fe:00 12 /lib/libc.so.6\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if stat, err := parseProcessStat(text); err != nil && stat.name != "" && stat.state == 0 {
			t.Errorf("half a stat: %+v", stat)
		}
		parseProcessStatus(text)
		parseDescriptorFlags(text)
		parseExecStart(text)
		parseUserNames(text, map[uint32]bool{0: true})
		parseSystemCall(text)
		parseEpollTargets(text)
		parseExecutableMaps(string(text))
		if terminalName(188<<8|17, text) == "" {
			t.Error("a terminal without a name")
		}
		if text := parseCommandLine(text); text != nil && len(text) == 0 {
			t.Error("an argument vector that is empty and not nil")
		}
		cgroup := parseCgroups(text).main()
		unitOf(cgroup)
		if id := containerOf(cgroup); id != "" && len(id) != 64 {
			t.Errorf("container %q", id)
		}
		_, _ = parseCgroupMounts(text).unified.directory(cgroup)
		if inode := parseSocketLink(text); inode != 0 && !strings.HasPrefix(string(text), "socket:[") {
			t.Errorf("%q has inode %d", text, inode)
		}
	})
}
