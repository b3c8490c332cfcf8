package netstate

import (
	"slices"
	"strconv"
	"strings"
)

// launchdJob is a job of launchd that has a process.
type launchdJob struct {
	label string
	// user tells that it is an agent of a user, not a daemon of the system.
	user bool
}

// parseLaunchctl finds the jobs that have a process, by its pid, in what
// `launchctl print DOMAIN` prints, or `launchctl list`. Of the first only the
// block "services" has them. A row there is the pid ("-" or 0 for none), the
// last status and the label. launchctl(1) promises no form, so whatever is no
// such row is passed over.
//
// What the user opened by hand is a job as well, "application." and the name of
// the bundle. Nothing starts that again, so it is left out.
func parseLaunchctl(text string) map[int]string {
	const block = "services = {"
	jobs := make(map[int]string)
	isPrint := strings.Contains(text, block)
	inside := !isPrint
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case isPrint && strings.TrimSpace(line) == block:
			inside = true
		case isPrint && inside && slices.Equal(fields, []string{"}"}):
			return jobs
		case inside && len(fields) >= 3:
			pid, err := strconv.ParseUint(fields[0], 10, 31)
			label := strings.Join(fields[2:], " ")
			if err == nil && pid > 0 && !strings.HasPrefix(label, "application.") {
				jobs[int(pid)] = label
			}
		}
	}
	return jobs
}

// launchdDomains are the domains whose jobs a process of a user can belong to,
// in the order in which they are looked through (launchctl(1)).
func launchdDomains(users []uint32) []string {
	domains := []string{"system"}
	slices.Sort(users)
	for _, uid := range slices.Compact(users) {
		if uid != 0 {
			number := strconv.FormatUint(uint64(uid), 10)
			domains = append(domains, "gui/"+number, "user/"+number)
		}
	}
	return domains
}

// addLaunchdJobs takes over the jobs of one domain; those that are there stay.
func addLaunchdJobs(jobs map[int]launchdJob, labels map[int]string, user bool) {
	for pid, label := range labels {
		if _, there := jobs[pid]; !there {
			jobs[pid] = launchdJob{label, user}
		}
	}
}

// setLaunchdJobs fills in the jobs that the processes belong to. A job is the
// process that launchd started and those that came of it and are still in its
// session: launchd gives each job one. A login that a job made has its own.
// sessionOf returns a process's session, 0 for one that is gone.
func setLaunchdJobs(processes []Process, jobs map[int]launchdJob, sessionOf func(pid int) int) {
	for i := range processes {
		p := &processes[i]
		for _, pid := range append([]int{p.PID}, p.Ancestors...) {
			job, found := jobs[pid]
			if found && (pid == p.PID || p.SID != 0 && sessionOf(pid) == p.SID) {
				p.Unit, p.UserUnit = job.label, job.user
				break
			}
		}
	}
}

// mayHaveJob tells whether launchd is worth asking about a process. One that
// has a terminal was started from there; launchd itself is nobody's job.
func mayHaveJob(p Process) bool { return p.TTY == "" && p.PID > 1 }
