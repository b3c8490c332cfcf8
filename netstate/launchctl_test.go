package netstate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	launchctlList = "PID\tStatus\tLabel\n" +
		"389\t0\tcom.apple.Finder\n" +
		"-\t78\tcom.example.crashing\n" +
		"0\t-15\tcom.example.ended\n" +
		"901\t-9\thomebrew.mxcl.postgresql@14\n" +
		"912\t0\tapplication.com.google.Chrome.123.456\n"

	launchctlPrint = `com.apple.xpc.launchd.domain.system = {
	type = system
	handle = 0
	active count = 611
	pending requests (4 in queue)
	12 of 30

	services = {
	       0      -  	com.apple.lskdd
	     318      -  	com.apple.runningboardd
	       0     78  	com.example.crashing
	     412   (pe) 	org.nginx.nginx
	}

	unmanaged processes = {
		733 (none) not.a.job
	}

	endpoints = {
		0x1d2b6    M   A   com.apple.fpsd.arcadeservice
		 90000     M   A   com.apple.no.job
	}
}
`
)

func TestParseLaunchctl(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want map[int]string
	}{
		"list":     {launchctlList, map[int]string{389: "com.apple.Finder", 901: "homebrew.mxcl.postgresql@14"}},
		"print":    {launchctlPrint, map[int]string{318: "com.apple.runningboardd", 412: "org.nginx.nginx"}},
		"no block": {"Bad request.\nCould not find domain for user gui: 501\n", map[int]string{}},
		"nothing":  {"", map[int]string{}},
	} {
		if diff := cmp.Diff(test.want, parseLaunchctl(test.text)); diff != "" {
			t.Errorf("%s: jobs (-want +got):\n%s", name, diff)
		}
	}
}

func TestLaunchdDomains(t *testing.T) {
	want := []string{"system", "gui/501", "user/501", "gui/502", "user/502"}
	if diff := cmp.Diff(want, launchdDomains([]uint32{502, 0, 501, 501})); diff != "" {
		t.Errorf("domains (-want +got):\n%s", diff)
	}
}

func TestSetLaunchdJobs(t *testing.T) {
	sessions := map[int]int{412: 412, 413: 412, 600: 600, 601: 601, 901: 901}
	processes := []Process{
		{PID: 412, SID: 412, Ancestors: []int{1}},
		{PID: 413, SID: 412, Ancestors: []int{412, 1}},      // its worker
		{PID: 601, SID: 601, Ancestors: []int{600, 412, 1}}, // a login that it made
		{PID: 901, SID: 901, Ancestors: []int{1}},
		{PID: 950, Ancestors: []int{951, 1}}, // sessions that are not known are not the same
		{PID: 1},
	}
	jobs := map[int]launchdJob{}
	addLaunchdJobs(jobs, map[int]string{412: "org.nginx.nginx", 951: "com.example.gone"}, false)
	addLaunchdJobs(jobs, map[int]string{412: "com.example.other", 901: "homebrew.mxcl.postgresql@14"}, true)
	setLaunchdJobs(processes, jobs, func(pid int) int { return sessions[pid] })
	var got []launchdJob
	for _, p := range processes {
		got = append(got, launchdJob{p.Unit, p.UserUnit})
	}
	want := []launchdJob{{"org.nginx.nginx", false}, {"org.nginx.nginx", false}, {}, {"homebrew.mxcl.postgresql@14", true}, {}, {}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(launchdJob{})); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func FuzzParseLaunchctl(f *testing.F) {
	f.Add(launchctlList)
	f.Add(launchctlPrint)
	f.Fuzz(func(t *testing.T, text string) {
		for pid, label := range parseLaunchctl(text) {
			if pid <= 0 || label == "" {
				t.Errorf("job %q of process %d", label, pid)
			}
		}
	})
}
