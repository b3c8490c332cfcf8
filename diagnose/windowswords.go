package diagnose

import (
	"cmp"
	"fmt"
	"strings"

	"portdoc/netstate"
)

// windows has no signals and no root. Its commands are for PowerShell; those
// that are programs (taskkill, netsh, net) run in cmd too.
type windows struct{}

func (windows) quote(word string) string { return PowerShellQuote(word) }

func (windows) privilege() privilege {
	return privilege{name: "administrator", place: "an elevated PowerShell"}
}

// lastOfKernel: 0 is idle time, 4 the process System.
func (windows) lastOfKernel() int { return windowsKernel }

func (windows) services() serviceManager { return windowsServices{} }

// errno has the names and numbers of winsock2.h.
func (windows) errno(name string) string {
	number, known := map[string]int{
		"EACCES": 10013, "EINVAL": 10022, "EAFNOSUPPORT": 10047, "EADDRINUSE": 10048, "EADDRNOTAVAIL": 10049,
	}[name]
	if !known {
		return name
	}
	return fmt.Sprintf("WSA%s %d", name, number)
}

func (windows) removeFile(path string) string {
	return "Remove-Item -LiteralPath " + PowerShellQuote(path)
}

func (windows) lookAtFile(path string) string {
	return "Get-Item -LiteralPath " + PowerShellQuote(path)
}

func (windows) makeDirectory(path string) string {
	return "New-Item -ItemType Directory -Path " + PowerShellQuote(path)
}

func (windows) facts() facts {
	return facts{
		stopped:          "suspended",
		stoppedMeans:     "All its threads are suspended, and it has not ended",
		elsewhere:        "it may run in WSL, a container or a virtual machine, which has ports of its own",
		forbids:          "a program may have it for itself alone (SO_EXCLUSIVEADDRUSE), or a driver: a firewall, a VPN, an antivirus program",
		unowned:          "A program that it started may have inherited it without knowing, or a driver may have it.",
		showAddresses:    "Get-NetIPAddress",
		hostsFile:        `C:\Windows\System32\drivers\etc\hosts`,
		notInherited:     "let the server make its sockets with WSA_FLAG_NO_HANDLE_INHERIT, or switch HANDLE_FLAG_INHERIT off (SetHandleInformation) before it starts another program",
		unixScope:        "system",
		reuse:            reuseSteals,
		wildcardsExclude: true,
		addressesShare:   true,
	}
}

// taskkill writes a command for processes and all that they have started,
// which may have inherited their sockets.
func taskkill(processes []*netstate.Process) string {
	return "taskkill /PID " + strings.Join(pidWords(processes), " /PID ") + " /T"
}

// end: taskkill without /F closes windows, and a program that has none refuses.
func (s windows) end(c *inquiry, h *holder) []Remedy {
	return []Remedy{
		{
			ID:       "end",
			Title:    "End " + h.name() + ", with Ctrl+C in " + h.verb("its window", "their windows") + " or from here",
			Commands: []string{taskkill(h.heads)},
			Effect:   "asks it and what it started to close; a program without a window refuses, and needs the last resort",
			Needs:    c.needsToEnd(h.heads),
		},
		s.kill(c, h, h.everyone()),
	}
}

func (windows) kill(c *inquiry, h *holder, processes []*netstate.Process) Remedy {
	return Remedy{
		ID:       "kill",
		Title:    "Last resort, unsaved work of " + labelOf(h.lead()) + " is lost",
		Commands: []string{taskkill(processes) + " /F"},
		Effect:   "ends it and what it started at once, whatever they are doing",
		Risk:     LosesWork,
		Needs:    c.needsToEnd(processes),
	}
}

// resume: nothing that comes with Windows continues a process by a command.
func (windows) resume(c *inquiry, h *holder) []Remedy {
	everyone := h.everyone()
	remedies := []Remedy{{
		ID:     "continue",
		Title:  "Let it go on: right-click it in Resource Monitor (resmon) or Process Explorer and choose Resume; a program under a debugger goes on in the debugger",
		Effect: "its threads run again; it still has its sockets",
		Needs:  c.needsToEnd(everyone),
	}}
	if !c.mayEnd(h) {
		return remedies
	}
	return append(remedies, Remedy{
		ID:       "kill",
		Title:    "Or end it, its unsaved work is lost: suspended as it is, it can't close by itself",
		Commands: []string{"Stop-Process -Force -Id " + strings.Join(pidWords(everyone), ",")},
		Effect:   "ends it at once",
		Risk:     LosesWork,
		Needs:    c.needsToEnd(everyone),
	})
}

func (windows) seeOwners(c *inquiry) string { return "portdoc why " + c.typed() }

// bindPrivileged: Windows has no privileged ports.
func (windows) bindPrivileged(*inquiry) []Remedy { return nil }

// reservePort: a range that an administrator has excluded is lent to nobody,
// and a program that asks for one of its ports gets it.
func (windows) reservePort(c *inquiry) []Remedy {
	return []Remedy{{
		ID:       "reserve-port",
		Title:    fmt.Sprintf("Or reserve %d while nothing has it, so that later connections get other ports", c.question.Port),
		Commands: []string{c.excludePort()},
		Effect:   "no connection is lent it any more, and a server that asks for it gets it; lasts until \"delete excludedportrange\"",
		Needs:    []string{"administrator"},
	}}
}

// excludePort is the command that reserves the asked port for programs that
// ask for it.
func (c *inquiry) excludePort() string {
	return fmt.Sprintf("netsh int %s add excludedportrange protocol=%s startport=%d numberofports=1", c.netshFamily(), c.question.Network, c.question.Port)
}

// netshFamily is the context of netsh that the question is about.
func (c *inquiry) netshFamily() string {
	if asked := cmp.Or(c.failing(), c.question.Address); asked.IsValid() && !isIPv4(asked) {
		return "ipv6"
	}
	return "ipv4"
}

// widenRange: the range of Windows is the upper quarter of all ports.
func (windows) widenRange(c *inquiry, lent netstate.PortRange) []Remedy {
	const low = 16384
	if lent.First <= low {
		return nil
	}
	return []Remedy{{
		ID:       "widen-range",
		Title:    "Widen the range",
		Commands: []string{fmt.Sprintf("netsh int ipv4 set dynamicport %s start=%d num=%d", c.question.Network, low, 1<<16-low)},
		Effect:   "lasts; servers on ports in the wider range may then find them taken",
		Needs:    []string{"administrator"},
	}}
}
