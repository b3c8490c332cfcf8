package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"portdoc/netstate"
)

var stopped = Kind{
	ID:    "stopped",
	Title: "Its process is stopped (Ctrl+Z)",
	About: `Ctrl+Z does not end a program: it stops it (SIGTSTP), to be continued later with
fg or bg. SIGSTOP does the same from outside, SIGTTIN and SIGTTOU do it to a
background job that wants its terminal. A stopped process keeps every socket,
and the kernel goes on answering for it: clients connect and then wait for
ever. It does not act on SIGTERM until it is continued (SIGCONT). Windows has no
such signals; a process whose threads are all suspended is the same there.`,
	find: findStopped,
}

func findStopped(c *inquiry) []finding {
	var findings []finding
	for _, h := range c.suspended(netstate.Stopped) {
		how := c.howStopped(h.lead())
		findings = append(findings, finding{
			title: fmt.Sprintf("%s %s %s", h.name(), h.verb("is", "are"), how),
			detail: sentences(c.system.facts().stoppedMeans+c.stopFacts(h.lead())+".",
				c.suspensionFacts(h)),
			summary:  fmt.Sprintf("%s is taken: %s, %s, still %s it", c.label(), h.name(), how, h.verb("holds", "hold")),
			rows:     h.rows,
			pids:     h.pids(),
			remedies: c.system.resume(c, h),
		})
	}
	return findings
}

// suspended are the holders in a state in which they don't run.
func (c *inquiry) suspended(state netstate.ProcessState) []*holder {
	return c.holders(func(_ row, _ netstate.Owner, p *netstate.Process) bool { return p.State == state })
}

func (c *inquiry) howStopped(p *netstate.Process) string {
	switch {
	case c.system.facts().stopped != "":
		return c.system.facts().stopped
	case p.StopSignal == "SIGTTIN" || p.StopSignal == "SIGTTOU":
		return "stopped because it wanted its terminal from the background"
	case p.StopSignal != "" && p.StopSignal != "SIGTSTP":
		return "stopped by " + Printable(p.StopSignal)
	case p.TTY != "" && p.Shell != nil:
		return "stopped with Ctrl+Z"
	case p.StopSignal != "":
		return "stopped by " + p.StopSignal
	}
	return "stopped by a signal"
}

// stopFacts are what is known of the stop, in brackets.
func (c *inquiry) stopFacts(p *netstate.Process) string {
	var facts []string
	if p.StopSignal != "" {
		facts = append(facts, Printable(p.StopSignal))
	}
	if p.StoppedFor > 0 {
		facts = append(facts, span(time.Duration(p.StoppedFor)*time.Millisecond)+" ago")
	}
	if p.TTY != "" {
		facts = append(facts, Printable(p.TTY))
	}
	if p.Shell != nil {
		facts = append(facts, fmt.Sprintf("job of %s %d", Printable(p.Shell.Name), p.Shell.PID))
	}
	if len(facts) == 0 {
		return ""
	}
	return " (" + strings.Join(facts, ", ") + ")"
}

// suspensionFacts say what a holder that does not run means for the port.
func (c *inquiry) suspensionFacts(h *holder) string {
	text := "It keeps its sockets until it runs again or dies: waiting does not help"
	listening := func(i int) bool { return c.rows[i].State == netstate.StateListen }
	if slices.ContainsFunc(h.rows, listening) && isFailure(c.outcome(sharing{reuseAddr: true})) {
		text += ", and SO_REUSEADDR does not get past a socket that listens"
	}
	return text + "."
}

var traced = Kind{
	ID:    "traced",
	Title: "A debugger holds its process at a stop",
	About: `A process that a debugger or tracer (gdb, strace, an IDE) has stopped keeps its
sockets until the debugger lets it run or ends. Signals reach the debugger
first, so that even SIGTERM waits for it.`,
	find: findTraced,
}

func findTraced(c *inquiry) []finding {
	var findings []finding
	for _, h := range c.suspended(netstate.Traced) {
		debugger := "a debugger"
		if tracer := h.lead().Tracer; tracer != nil {
			debugger = refName(tracer)
		}
		remedies := []Remedy{{
			ID:     "detach",
			Title:  "Let it go on or end it in the debug session, or end the session of " + debugger,
			Where:  "the debug session",
			Effect: "the process runs again and can be ended as usual",
		}}
		if c.mayEnd(h) {
			remedies = append(remedies, c.system.kill(c, h, h.everyone()))
		}
		findings = append(findings, finding{
			title: fmt.Sprintf("%s %s stopped by a debugger", h.name(), h.verb("is", "are")),
			detail: sentences(fmt.Sprintf("%s has stopped %s and decides when it runs again.", debugger, h.name()),
				c.suspensionFacts(h)),
			summary:  fmt.Sprintf("%s is taken: %s, stopped by the debugger %s, still %s it", c.label(), h.name(), debugger, h.verb("holds", "hold")),
			rows:     h.rows,
			pids:     h.pids(),
			remedies: remedies,
		})
	}
	return findings
}

var frozen = Kind{
	ID:    "frozen",
	Title: "Its process is frozen (a paused container or unit)",
	About: `The processes of a paused container, or of a frozen systemd unit, do not run and
keep all their sockets. No signal ends them, not even SIGKILL on the older
kind of freezer, until the control group (cgroup) that freezes them is thawed.`,
	find: findFrozen,
}

func findFrozen(c *inquiry) []finding {
	var findings []finding
	for _, h := range c.suspended(netstate.Frozen) {
		p := h.lead()
		what := "the control group " + Printable(p.FrozenBy)
		switch {
		case p.Container != "":
			what = "its container, " + shortID(p.Container) + ", is paused"
		case p.FrozenBy == "":
			what = "its control group is frozen"
		default:
			what += " is frozen"
		}
		findings = append(findings, finding{
			title:    h.name() + h.verb(" is frozen", " are frozen"),
			detail:   sentences(fmt.Sprintf("%s %s not run: %s.", h.name(), h.verb("does", "do"), what), c.suspensionFacts(h)),
			summary:  fmt.Sprintf("%s is taken: %s, frozen%s, still %s it", c.label(), h.name(), frozenWith(p), h.verb("holds", "hold")),
			rows:     h.rows,
			pids:     h.pids(),
			remedies: c.thaw(p),
		})
	}
	return findings
}

func frozenWith(p *netstate.Process) string {
	switch {
	case p.Container != "":
		return " with its container " + shortID(p.Container)
	case p.Unit != "":
		return " with its unit " + Printable(p.Unit)
	}
	return ""
}

// thaw undoes the freezing where it was done: by the container runtime, the
// service manager, or in the cgroup itself (v2: cgroup.freeze, v1:
// freezer.state; Linux, Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst
// and cgroup-v2.rst).
func (c *inquiry) thaw(p *netstate.Process) []Remedy {
	thaw := Remedy{ID: "thaw", Title: "Thaw the control group", Effect: "its processes run again and keep their sockets", Needs: c.needs(true)}
	switch runtime := runtimeOf(p); {
	case runtime == "docker" || runtime == "podman":
		thaw.Title = "Let the container go on"
		thaw.Commands = []string{runtime + " unpause " + shortID(p.Container)}
		thaw.Needs = nil
	case p.Unit != "" && strings.HasSuffix(p.FrozenBy, "/"+p.Unit):
		thaw.Title = "Thaw the unit"
		thaw.Commands = []string{c.systemctl("thaw", p)}
	case strings.Contains(p.FrozenBy, "/freezer/"):
		thaw.Commands = []string{c.writeFile("THAWED", p.FrozenBy+"/freezer.state")}
	case p.FrozenBy != "":
		thaw.Commands = []string{c.writeFile("0", p.FrozenBy+"/cgroup.freeze")}
	}
	return []Remedy{thaw}
}

// writeFile writes a command that puts a word into a file of root's.
func (c *inquiry) writeFile(word, file string) string {
	if c.readerIsRoot() {
		return "echo " + word + " > " + ShellQuote(file)
	}
	return "echo " + word + " | sudo tee " + ShellQuote(file)
}
