package main

import (
	"fmt"

	"portdoc/diagnose"
)

// waitUntilFree waits for the address that the command failed at last. It
// returns false if there is none, or waiting does not help.
func (r *runReporter) waitUntilFree() bool {
	r.mutex.Lock()
	last := r.last
	r.last = nil
	r.mutex.Unlock()
	if last == nil || last.report == nil {
		return false
	}
	name := last.asked.word
	if last.itself || last.report.Errno != nil && *last.report.Errno != "EADDRINUSE" {
		r.say("waiting does not make " + name + " free")
		return false
	}
	if last.report.Verdict == diagnose.Free {
		r.say(name + " is free, and the command failed all the same")
		return false
	}
	r.say("waiting until " + name + " is free, to start the command again")
	for report := last.report; ; {
		if pauseFor([]*diagnose.Report{report}).sleep(r.ctx) != nil {
			return false
		}
		last.asked.probe = last.asked.call == nil || ownRights(last.asked.call)
		var err error
		report, err = last.asked.report(r.ctx)
		if err != nil {
			r.say(fmt.Sprintf("waiting for %s is not possible: %v", name, err))
			return false
		}
		if report.Verdict == diagnose.Free {
			r.say(name + " is free, starting the command again")
			r.forget(last.key)
			return true
		}
	}
}

// forget makes a failure a new one again.
func (r *runReporter) forget(key string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.repeats, key)
}
