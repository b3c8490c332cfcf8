package netstate

import (
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadRCServices(t *testing.T) {
	written := time.Unix(1_700_000_200, 0)
	file := func(text string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(text), Mode: 0o644, ModTime: written}
	}
	script := &fstest.MapFile{Data: []byte("#!/bin/sh\n"), Mode: 0o555}
	root := fstest.MapFS{
		"etc/rc.d/sshd":                     script,
		"etc/rc.d/notes":                    &fstest.MapFile{Mode: 0o644},
		"usr/local/etc/rc.d/nginx":          script,
		"usr/local/etc/rc.d/postgresql":     script,
		"usr/local/etc/rc.d/empty":          script,
		"usr/local/etc/rc.d/words":          script,
		"usr/local/etc/rc.d/long":           script,
		"usr/local/etc/rc.d/directory":      script,
		"var/run/sshd.pid":                  file("812\n"),
		"var/run/nginx.pid":                 file(" 900 "),
		"var/run/postgresql/postmaster.pid": file("950\n/var/db/postgres\n"),
		"var/run/manual.pid":                file("1000\n"),
		"var/run/notes.pid":                 file("1001\n"),
		"var/run/empty.pid":                 file(""),
		"var/run/words.pid":                 file("none\n"),
		"var/run/long.pid":                  file("7" + string(make([]byte, longestPIDFile))),
		"var/run/directory.pid":             &fstest.MapFile{Mode: fs.ModeDir},
	}
	want := []rcService{{"nginx", 900, written}, {"sshd", 812, written}, {"postgresql", 950, written}}
	if diff := cmp.Diff(want, readRCServices(root), cmp.AllowUnexported(rcService{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := readRCServices(fstest.MapFS{}); got != nil {
		t.Errorf("of an empty system: %+v", got)
	}
}

// The workers of a service belong to it, and so do not the sessions of sshd
// and what runs in them, nor a later process with the number of an old one.
func TestSetRCUnits(t *testing.T) {
	const boot = 1_700_000_000
	services := []rcService{
		{"nginx", 900, time.Unix(boot+1, 0)}, {"sshd", 812, time.Unix(boot+1, 0)}, {"old", 950, time.Unix(boot-3600, 0)},
	}
	lookup := table(t,
		kinfo{pid: 900, parent: 1, group: 900, session: 900, name: "nginx", started: boot},
		kinfo{pid: 901, parent: 900, group: 900, session: 900, name: "nginx", started: boot + 1},
		kinfo{pid: 902, parent: 900, group: 900, session: 900, name: "sh", started: boot + 1},
		kinfo{pid: 812, parent: 1, group: 812, session: 812, name: "sshd", started: boot},
		kinfo{pid: 1200, parent: 812, group: 1200, session: 1200, name: "sshd", started: boot + 500},
		kinfo{pid: 1201, parent: 1200, group: 1201, session: 1201, name: "python3", started: boot + 501},
		kinfo{pid: 950, parent: 1, group: 950, session: 950, name: "other", started: boot},
	)
	processes := freebsdProcesses([]int{812, 900, 901, 902, 950, 1200, 1201}, lookup, func(uint64) string { return "" })
	setRCUnits(processes, services, lookup)
	got := make(map[int]string)
	for _, p := range processes {
		got[p.PID] = p.Unit
	}
	want := map[int]string{812: "sshd", 900: "nginx", 901: "nginx", 902: "", 950: "", 1200: "", 1201: ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
