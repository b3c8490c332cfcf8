package netstate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readCallOfTest stands for the number of read(2).
const readCallOfTest = 0

func TestWaitEvidence(t *testing.T) {
	at := func(function string, number int64, first uint64) threadWait {
		return threadWait{function, &systemCall{number, first}}
	}
	asleep := threadWait{function: "hrtimer_nanosleep"}
	tests := map[string]struct {
		evidence waitEvidence
		want     Waits
	}{
		"no thread is seen":          {waitEvidence{}, WaitsMaybe},
		"asleep":                     {waitEvidence{threads: []threadWait{asleep, {function: "futex_do_wait"}}}, WaitsNo},
		"asleep, compiler's suffix":  {waitEvidence{threads: []threadWait{{function: "do_sigtimedwait.isra.0"}}}, WaitsNo},
		"asleep with an io_uring":    {waitEvidence{threads: []threadWait{asleep}, otherWays: true}, WaitsMaybe},
		"one thread runs":            {waitEvidence{threads: []threadWait{asleep, {function: "0"}}}, WaitsMaybe},
		"stopped":                    {waitEvidence{threads: []threadWait{{function: "do_signal_stop"}}}, WaitsMaybe},
		"unknown function":           {waitEvidence{threads: []threadWait{{function: "new_in_linux_9"}}}, WaitsMaybe},
		"poll":                       {waitEvidence{threads: []threadWait{{function: "poll_schedule_timeout.constprop.0"}}}, WaitsMaybe},
		"epoll of others":            {waitEvidence{threads: []threadWait{{function: "do_epoll_wait"}}, watched: map[uint64]bool{8: true}}, WaitsNo},
		"epoll":                      {waitEvidence{threads: []threadWait{asleep}, watched: map[uint64]bool{7: true}}, WaitsYes},
		"epoll by number":            {waitEvidence{threads: []threadWait{asleep}, watchedDescriptors: map[int]bool{5: true}}, WaitsYes},
		"accept":                     {waitEvidence{threads: []threadWait{asleep, at("inet_csk_accept", 288, 5)}}, WaitsYes},
		"accept on another":          {waitEvidence{threads: []threadWait{at("inet_csk_accept", 288, 9)}}, WaitsMaybe},
		"accept, call not permitted": {waitEvidence{threads: []threadWait{{function: "inet_csk_accept"}}}, WaitsMaybe},
		"accept by socketcall":       {waitEvidence{threads: []threadWait{at("inet_csk_accept", 102, 5)}}, WaitsMaybe},
		"read of another":            {waitEvidence{threads: []threadWait{at("wait_woken", readCallOfTest, 9)}}, WaitsNo},
		"receive of another":         {waitEvidence{threads: []threadWait{at("wait_woken", 45, 9)}}, WaitsMaybe},
	}
	for name, test := range tests {
		if got := test.evidence.waits(7, []int{4, 5}, readCallOfTest); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestParseSystemCall(t *testing.T) {
	for text, want := range map[string]*systemCall{
		"288 0x3 0x0 0x0 0x80000 0x0 0x0 0x7ffc 0x7f00\n": {288, 3},
		"running\n":          nil,
		"-1 0x7ffc 0x7f00\n": nil,
		"":                   nil,
	} {
		if diff := cmp.Diff(want, parseSystemCall([]byte(text)), cmp.AllowUnexported(systemCall{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestParseEpollTargets(t *testing.T) {
	text := "pos:\t0\nflags:\t02000002\ntfd:        3 events:       19 data:                3  pos:0 ino:a3ca sdev:9\n" +
		"tfd:       12 events: 80000019 data: ffffffffffffffff\n"
	want := []epollTarget{{3, 0xa3ca, 9}, {12, 0, 0}}
	if diff := cmp.Diff(want, parseEpollTargets([]byte(text)), cmp.AllowUnexported(epollTarget{})); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

func TestParseSocketLink(t *testing.T) {
	for text, want := range map[string]uint64{
		"socket:[91234]": 91234, "socket:[]": 0, "pipe:[7]": 0, "socket:[7": 0, "/tmp/socket:[7]": 0, "": 0,
	} {
		if got := parseSocketLink([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestParseExecutableMaps(t *testing.T) {
	text := `55d0-55d1 r--p 00000000 fe:00 12   /usr/bin/my sleep
55d1-55d5 r-xp 00001000 fe:00 12   /usr/bin/my sleep
55d9-55fa rw-p 00000000 00:00 0    [heap]
7f00-7f01 r-xp 00000000 fe:00 13   /usr/lib/libc.so.6 (deleted)
7ffe-7fff r-xp 00000000 00:00 0    [vdso]
ffff-ffff --xp 00000000 00:00 0    [vsyscall]
7fff-8000 rw-p 00000000 00:00 0 
`
	files, ok := parseExecutableMaps(text)
	if diff := cmp.Diff([]string{"/usr/bin/my sleep", "/usr/lib/libc.so.6 (deleted)"}, files); diff != "" || !ok {
		t.Errorf("%v, files (-want +got):\n%s", ok, diff)
	}
	if !onlyHarmlessCode(text, "/usr/bin/my sleep") || onlyHarmlessCode(text, "/usr/bin/other") ||
		onlyHarmlessCode(text+"7f80-7f81 r-xp 00000000 fe:00 14 /tmp/preloaded.so\n", "/usr/bin/my sleep") {
		t.Error("harmless code is mistaken for other")
	}
	for _, text := range []string{"broken\n", "7f00-7f01 rwxp 00000000 00:00 0 \n", "7f00-7f01 r-xp 00000000 00:00 0 [anon:jit]\n"} {
		if _, ok := parseExecutableMaps(text); ok {
			t.Errorf("%q has code in files only", text)
		}
	}
}
