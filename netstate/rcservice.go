package netstate

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// rcService is a service that an rc script starts, and the process that its
// file of the process id names.
type rcService struct {
	name string
	pid  int
	// written is when the file was.
	written time.Time
}

// rcDirectories are where rc scripts are, on FreeBSD (rc(8)).
var rcDirectories = []string{"etc/rc.d", "usr/local/etc/rc.d"}

// readRCServices finds the services that run, as `service NAME status` does:
// by /var/run/NAME.pid, or a file in a directory there, and a script NAME. The
// root is the root directory.
func readRCServices(root fs.FS) []rcService {
	var services []rcService
	for _, pattern := range []string{"var/run/*.pid", "var/run/*/*.pid"} {
		files, _ := fs.Glob(root, pattern)
		for _, file := range files {
			if service, ok := readPIDFile(root, file); ok {
				services = append(services, service)
			}
		}
	}
	return services
}

// longestPIDFile is the length in bytes of the longest file that can hold a
// process id and no more than some words beside it.
const longestPIDFile = 512

// readPIDFile reads the number at the beginning of a file. The service has the
// name of the file, or of its directory.
func readPIDFile(root fs.FS, file string) (rcService, bool) {
	information, err := fs.Stat(root, file)
	if err != nil || !information.Mode().IsRegular() || information.Size() > longestPIDFile {
		return rcService{}, false
	}
	text, err := fs.ReadFile(root, file)
	words := strings.Fields(string(text))
	if err != nil || len(words) == 0 {
		return rcService{}, false
	}
	pid, err := strconv.Atoi(words[0])
	if err != nil || pid <= 0 {
		return rcService{}, false
	}
	for _, name := range []string{strings.TrimSuffix(path.Base(file), ".pid"), path.Base(path.Dir(file))} {
		if hasRCScript(root, name) {
			return rcService{name: name, pid: pid, written: information.ModTime()}, true
		}
	}
	return rcService{}, false
}

func hasRCScript(root fs.FS, name string) bool {
	for _, directory := range rcDirectories {
		script, err := fs.Stat(root, path.Join(directory, name))
		if err == nil && script.Mode().IsRegular() && script.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

// setRCUnits fills in the services of processes: of the one that a file names,
// and of the workers that it started, which have its name, session and group.
// A session of sshd(8) has a session of its own and is no part of the service.
func setRCUnits(processes []Process, services []rcService, lookup func(int) *freebsdProcess) {
	for i := range processes {
		p := &processes[i]
		p.Unit = rcUnit(p.PID, services, lookup)
		parent := lookup(p.PPID)
		if p.Unit == "" && parent != nil && parent.name == p.Name && parent.session == p.SID && parent.group == p.PGID {
			p.Unit = rcUnit(p.PPID, services, lookup)
		}
	}
}

// clockSlack is by how much a file may seem older than the process that wrote
// it: file systems round.
const clockSlack = 2 * time.Second

// rcUnit is the service of a process, "" for none. A file that was written
// before the process was started is about an older one with the same number.
func rcUnit(pid int, services []rcService, lookup func(int) *freebsdProcess) string {
	for _, service := range services {
		if service.pid != pid {
			continue
		}
		if p := lookup(pid); p != nil && !service.written.Before(p.started.Add(-clockSlack)) {
			return service.name
		}
	}
	return ""
}
