package lab

import (
	"runtime"
	"slices"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// Experiment is one situation and the way into it.
type Experiment struct {
	Name string
	// Shows is what is to be learnt, in a few words. Plan says what will be
	// done, and Why explains the report.
	Shows, Plan, Why string
	Steps            []Step
	// Target is what the report is about, as it is typed after "portdoc
	// why". PORT stands for the port of the stage, DIR for its directory.
	Target string
	// Cause must be among those of the report, Verdict must be its verdict;
	// "" for any.
	Cause   diagnose.CauseID
	Verdict diagnose.Verdict
	// After are steps that show how the state ends. The report is older.
	After []Step
	// Leaves is what the kernel keeps although every process has gone, ""
	// for nothing.
	Leaves string
	// Draws tells whether it is about a TCP connection.
	Draws bool
	// Network tells that it needs a network of its own.
	Network bool
	// everywhere tells that every system can play it. The others need the
	// actor or signals as Linux has them.
	everywhere bool
}

// Step is something that is done, and what must be seen then.
type Step struct {
	Does string
	do   func(*stage)
	// states are those of the sockets on the port afterwards, in any order
	// and each once. Nil does not look.
	states []netstate.State
}

// nothing is what must be seen where no socket has the port.
var nothing = []netstate.State{}

// All are the experiments in the order in which they teach best.
func All() []*Experiment {
	return slices.Concat(serving(), closing(), holding(), binding())
}

// Find returns the experiment with that name, nil if there is none.
func Find(name string) *Experiment {
	for _, e := range All() {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// Missing says why this system can't play the experiment, "" if it can.
func (e *Experiment) Missing() string {
	if e.everywhere || runtime.GOOS == "linux" {
		return ""
	}
	return "it is made with system calls and signals as Linux has them"
}
