package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"portdoc/netstate"
)

// posix is a system with signals, job control and root.
type posix struct{}

func (posix) quote(word string) string { return ShellQuote(word) }

func (posix) privilege() privilege { return privilege{name: "root", command: "sudo "} }

func (posix) lastOfKernel() int { return 1 }

func (posix) services() serviceManager { return rc{} }

func (posix) errno(name string) string { return name }

func (posix) removeFile(path string) string { return "rm -- " + ShellQuote(path) }

func (posix) lookAtFile(path string) string { return "ls -ld -- " + ShellQuote(path) }

func (posix) makeDirectory(path string) string { return "mkdir -p -- " + ShellQuote(path) }

func (posix) seeOwners(c *inquiry) string { return c.privileged("portdoc why " + c.typed()) }

func (posix) bindPrivileged(*inquiry) []Remedy { return nil }

func (posix) reservePort(*inquiry) []Remedy { return nil }

func (posix) widenRange(*inquiry, netstate.PortRange) []Remedy { return nil }

func (posix) facts() facts {
	return facts{
		stoppedMeans:    "A stopped process is suspended, not ended",
		elsewhere:       "it may run in a container or a virtual machine, which has ports of its own",
		showDevice:      "ifconfig %s",
		unowned:         "It may be on its way from one process to another (passed over a unix socket), or belong to the kernel.",
		showAddresses:   "ifconfig",
		hostsFile:       "/etc/hosts",
		privilegedPorts: "Ports below %d are for root.",
		notInherited:    "let the server open its sockets close-on-exec (SOCK_CLOEXEC, or FD_CLOEXEC before it starts another program)",
		unixScope:       "system",
	}
}

// signal writes the command that sends a signal to processes.
func (posix) signal(c *inquiry, name string, processes []*netstate.Process) string {
	command := fmt.Sprintf("kill -%s %s", name, strings.Join(pidWords(processes), " "))
	if slices.ContainsFunc(processes, c.isForeign) {
		return c.privileged(command)
	}
	return command
}

func (s posix) end(c *inquiry, h *holder) []Remedy {
	title := "End " + h.name()
	if tty := h.lead().TTY; tty != "" && len(h.heads) == 1 {
		title += fmt.Sprintf(", with Ctrl+C in its terminal (%s) or from here", Printable(tty))
	}
	return []Remedy{
		{
			ID:       "end",
			Title:    title,
			Commands: []string{s.signal(c, "TERM", h.heads)},
			Effect:   "asks it to close its sockets and end",
			Needs:    c.needsToEnd(h.heads),
		},
		s.kill(c, h, h.everyone()),
	}
}

func (s posix) kill(c *inquiry, h *holder, processes []*netstate.Process) Remedy {
	return Remedy{
		ID:       "kill",
		Title:    "Last resort, unsaved work of " + labelOf(h.lead()) + " is lost",
		Commands: []string{s.signal(c, "KILL", processes)},
		Effect:   "ends it at once, whatever it is doing",
		Risk:     LosesWork,
		Needs:    c.needsToEnd(processes),
	}
}

// resume: a stopped job acts on SIGTERM only once it is continued.
func (s posix) resume(c *inquiry, h *holder) []Remedy {
	everyone := h.everyone()
	first := Remedy{
		ID:       "continue",
		Title:    "Let it go on",
		Commands: []string{s.signal(c, "CONT", everyone)},
		Effect:   "continues it; it still has its sockets",
		Needs:    c.needsToEnd(everyone),
	}
	if h.lead().Shell != nil {
		first = Remedy{
			ID:       "resume",
			Title:    "Go on with it, then end it with Ctrl+C",
			Commands: []string{"fg"},
			Where:    "the terminal " + Printable(h.lead().TTY),
			Effect:   "continues the job in the foreground of its shell",
		}
	}
	if !c.mayEnd(h) {
		return []Remedy{first}
	}
	return []Remedy{first, {
		ID:       "end-stopped",
		Title:    "End it from here (TERM acts only once it is continued)",
		Commands: []string{s.signal(c, "TERM", h.heads) + " && " + s.signal(c, "CONT", everyone)},
		Effect:   "asks it to end and lets it run so that it can",
		Needs:    c.needsToEnd(everyone),
	}, s.kill(c, h, everyone)}
}
