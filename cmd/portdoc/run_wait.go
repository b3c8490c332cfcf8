package main

import (
	"fmt"
	"time"

	"portdoc/diagnose"
)

// waitPause is between two looks at an address, and between two starts.
const waitPause = 500 * time.Millisecond

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
	for {
		time.Sleep(waitPause)
		last.asked.probe = last.asked.call == nil || ownRights(last.asked.call)
		report, err := last.asked.report(r.ctx)
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
