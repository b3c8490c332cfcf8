package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"portdoc/netstate"
)

var systemServiceKind = Kind{
	ID:    "system-service",
	Title: "A service of the system has it by default",
	About: `Some ports belong to a service that the system brings along and starts by
itself: systemd-resolved has port 53 of its own loopback addresses, the AirPlay
Receiver of macOS has 5000 and 7000, HTTP.sys in the Windows kernel has every
port for which a program registered a URL, and shows as the process System
(pid 4). To end the process is no way, or there is none to end: switch the
service off, or use another port.`,
	find: findSystemServices,
}

// systemService is one that many machines have without anybody's doing.
type systemService struct {
	os    string
	ports []uint16
	// network is "" for both.
	network netstate.Network
	// program is its name, of which a system may show the beginning only;
	// unit the service manager's name of it, pid a process that is always
	// the same. Any of them is enough.
	program, unit string
	pid           int
	// name says what it is, about what to know of it.
	name, about string
	remedies    func(c *inquiry) []Remedy
}

// httpSys is the web server in the Windows kernel.
const httpSys = "HTTP.sys"

// windowsKernel is the pid of the process System, which stands for the kernel.
const windowsKernel = 4

// systemServices: support.apple.com (AirPlay Receiver), systemd-resolved(8) and
// Microsoft's service overview and network port requirements (KB 832017).
func systemServices() []systemService {
	return []systemService{{
		os: "linux", ports: []uint16{53}, program: "systemd-resolved", unit: "systemd-resolved.service",
		name:     "the service systemd-resolved",
		about:    "It answers the name lookups of this machine on 127.0.0.53 and 127.0.0.54. Without it, and with /etc/resolv.conf as it is, no name would be found.",
		remedies: avoidResolved,
	}, {
		os: "darwin", ports: []uint16{5000, 7000}, network: netstate.TCP, program: "ControlCenter",
		name:     "the AirPlay Receiver of macOS",
		about:    "It is a part of Control Center, which macOS starts again at once when it is ended.",
		remedies: avoidAirPlay,
	}, {
		os: "darwin", ports: []uint16{5353}, network: netstate.UDP, program: "mDNSResponder",
		name:     "Bonjour, the name service of macOS",
		about:    "All name lookups of this machine go through it, and macOS starts it again when it is ended.",
		remedies: shareMulticast,
	}, {
		os: "windows", ports: []uint16{139, 445}, network: netstate.TCP, pid: windowsKernel,
		name:     "SMB file sharing",
		about:    "It is a part of the Windows kernel, which shows as the process System (pid 4) and can't be ended.",
		remedies: avoidFileSharing,
	}, {
		os: "windows", ports: []uint16{135}, network: netstate.TCP, unit: "RpcEptMapper",
		name:     "the RPC endpoint mapper",
		about:    "Windows does not run without it, and does not let it be stopped.",
		remedies: useOtherPort,
	}, {
		os: "windows", ports: []uint16{135}, network: netstate.TCP, unit: "RpcSs",
		name:     "the RPC endpoint mapper",
		about:    "Windows does not run without it, and does not let it be stopped.",
		remedies: useOtherPort,
	}, {
		os: "windows", network: netstate.UDP, pid: windowsKernel,
		name:     "the Windows kernel",
		about:    "NetBIOS (137 and 138) and other parts of the system are in it. It shows as the process System (pid 4), which can't be ended.",
		remedies: useOtherPort,
	}, {
		os: "windows", network: netstate.TCP, pid: windowsKernel,
		name:     httpSys,
		about:    "HTTP.sys is the web server in the Windows kernel. It listens for every program that has registered a URL, and shows as the process System (pid 4), which can't be ended.",
		remedies: stopRequestQueues,
	}}
}

func findSystemServices(c *inquiry) []finding {
	if len(c.rows) == 0 {
		return nil
	}
	for _, s := range systemServices() {
		rows := c.blocking(func(r row) bool { return c.isServedBy(r, s) })
		if len(rows) == 0 {
			continue
		}
		queues := c.registered()
		return []finding{{
			title:     capital(s.name) + " has it" + c.processOf(rows, s),
			detail:    sentences(fmt.Sprintf("%s has %s%s.", capital(s.name), c.places(rows), c.processOf(rows, s)), s.about, queues),
			summary:   fmt.Sprintf("%s is taken by %s%s", c.label(), s.name, cmp.Or(c.registrants(), c.processOf(rows, s))),
			rows:      rows,
			pids:      c.pidsOf(rows, s),
			certainty: c.certaintyOf(s, queues),
			remedies:  s.remedies(c),
		}}
	}
	return nil
}

// certaintyOf: a driver other than HTTP.sys may listen in the kernel's name.
func (c *inquiry) certaintyOf(s systemService, queues string) Certainty {
	if s.name == httpSys && queues == "" {
		return Likely
	}
	return Certain
}

// isServedBy tells whether r is a socket of the service.
func (c *inquiry) isServedBy(r row, s systemService) bool {
	if !c.mayServe(r, s) {
		return false
	}
	if users := usersOf(r); len(users) == 0 && s.name == httpSys {
		return len(c.requestQueues()) > 0
	}
	unit := unitOf(r)
	return unit != nil && s.unit != "" && unit.Unit == s.unit || s.unit != "" && r.Service == s.unit ||
		slices.ContainsFunc(usersOf(r), func(pid int) bool { return s.runs(c.process(pid)) })
}

func (c *inquiry) mayServe(r row, s systemService) bool {
	return s.os == c.snapshot.Host.OS && r.holds() && (s.network == "" || s.network == r.Network) &&
		(s.ports == nil || slices.Contains(s.ports, r.Local.Port()))
}

// usersOf are the processes that have a socket, or that the system names beside
// it.
func usersOf(r row) []int {
	var pids []int
	for _, owner := range r.Owners {
		pids = append(pids, owner.PID)
	}
	if len(pids) == 0 && r.LastPID != 0 {
		pids = append(pids, r.LastPID)
	}
	return pids
}

// runs tells whether the process is the service's.
func (s systemService) runs(p *netstate.Process) bool {
	const shortest = 9 // lsof(8) shows that much of a name
	return s.pid != 0 && p.PID == s.pid ||
		s.unit != "" && (p.Unit == s.unit || slices.Equal(p.Services, []string{s.unit})) ||
		s.program != "" && len(p.Name) >= shortest && strings.HasPrefix(s.program, p.Name)
}

// isSystemService tells whether the process has the socket as such a service.
func (c *inquiry) isSystemService(r row, p *netstate.Process) bool {
	return slices.Contains(usersOf(r), p.PID) && slices.ContainsFunc(systemServices(), func(s systemService) bool {
		return c.isServedBy(r, s)
	})
}

func (c *inquiry) pidsOf(rows []int, s systemService) []int {
	var pids []int
	for _, i := range rows {
		for _, owner := range c.rows[i].Owners {
			pids = append(pids, owner.PID)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// processOf names the process in brackets where it is known and says more than
// the service's name.
func (c *inquiry) processOf(rows []int, s systemService) string {
	pids := c.pidsOf(rows, s)
	if len(pids) == 0 {
		return ""
	}
	label := labelOf(c.process(pids[0]))
	if strings.Contains(s.name, label) {
		return fmt.Sprintf(" (pid %d)", pids[0])
	}
	return fmt.Sprintf(" (%s, pid %d)", label, pids[0])
}

func useOtherPort(*inquiry) []Remedy {
	return []Remedy{{
		ID:     "choose-port",
		Title:  "Give your server another port",
		Effect: "the two don't meet",
	}}
}

// avoidResolved: resolved.conf(5), and "/etc/resolv.conf" in
// systemd-resolved.service(8).
func avoidResolved(c *inquiry) []Remedy {
	var remedies []Remedy
	if failing := c.failing(); failing.IsUnspecified() {
		remedies = append(remedies, Remedy{
			ID:     "choose-address",
			Title:  "Bind the address that clients ask instead of the wildcard: systemd-resolved has its own loopback addresses only",
			Effect: "the two run side by side",
		})
	}
	const settings = "/etc/systemd/resolved.conf.d"
	return append(remedies, Remedy{
		ID:    "switch-off-stub",
		Title: "Or let it listen no more (DNSStubListener=no), and take the name servers from its own list",
		Commands: []string{
			c.privileged("mkdir -p " + settings),
			`printf '[Resolve]\nDNSStubListener=no\n' | ` + c.privileged("tee "+settings+"/no-stub.conf"),
			c.privileged("ln -sf /run/systemd/resolve/resolv.conf /etc/resolv.conf"),
			c.privileged("systemctl restart systemd-resolved"),
		},
		Effect: "port 53 is free, and name lookups go to the name servers directly",
		Needs:  c.needs(true),
	})
}

func avoidAirPlay(c *inquiry) []Remedy {
	return []Remedy{{
		ID:     "switch-off-airplay",
		Title:  "Switch AirPlay Receiver off: System Settings, General, AirDrop & Handoff",
		Effect: "other devices can't send sound and pictures to this Mac any more",
	}, {
		ID:     "choose-port",
		Title:  fmt.Sprintf("Or give your server another port, as %d", c.question.Port+1),
		Effect: "works on every Mac as it comes",
	}}
}

func shareMulticast(*inquiry) []Remedy {
	return []Remedy{{
		ID:     "set-reuseport",
		Title:  "Set SO_REUSEPORT before bind: programs that speak mDNS share the port",
		Effect: "each of them gets what is sent to the group",
	}}
}

func avoidFileSharing(c *inquiry) []Remedy {
	return append(useOtherPort(c), Remedy{
		ID:       "switch-off-sharing",
		Title:    "Or switch file sharing off, then restart Windows: its shared folders and printers go away",
		Commands: []string{"Set-Service -Name LanmanServer -StartupType Disabled"},
		Effect:   "Windows no longer listens for it",
		Risk:     LosesWork,
		Needs:    c.needs(true),
	})
}

// requestQueues are what programs have asked HTTP.sys to listen for on the
// port.
func (c *inquiry) requestQueues() []*netstate.RequestQueue {
	var queues []*netstate.RequestQueue
	for _, k := range c.snapshot.Kernel {
		if k.Queue != nil && k.Network == c.question.Network && k.Port == c.question.Port {
			queues = append(queues, k.Queue)
		}
	}
	slices.SortFunc(queues, func(a, b *netstate.RequestQueue) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), slices.Compare(a.URLs, b.URLs), slices.Compare(a.PIDs, b.PIDs))
	})
	return queues
}

// isAmbiguous tells whether it is not known which of the queue's processes has
// registered the URLs: Windows lists those without a name together.
func isAmbiguous(q *netstate.RequestQueue) bool { return q.Name == "" && len(q.PIDs) > 1 }

// registered says which URLs are registered, and whose they are.
func (c *inquiry) registered() string {
	var parts []string
	for _, q := range c.requestQueues() {
		var urls, programs []string
		for _, url := range q.URLs {
			urls = append(urls, Printable(url))
		}
		for _, pid := range q.PIDs {
			programs = append(programs, fmt.Sprintf("%s (pid %d)", labelOf(c.process(pid)), pid))
		}
		part := cmp.Or(few(urls), "a URL")
		if len(programs) > 0 {
			part += map[bool]string{false: " by ", true: " by one of "}[isAmbiguous(q)] + few(programs)
		} else if q.Name != "" {
			part += " in the request queue " + Printable(q.Name)
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return ""
	}
	return "Registered here: " + strings.Join(parts, "; ") + "."
}

// registrants names the programs that HTTP.sys listens for, "" for none.
func (c *inquiry) registrants() string {
	var programs []string
	for _, q := range c.requestQueues() {
		if isAmbiguous(q) {
			continue
		}
		for _, pid := range q.PIDs {
			programs = append(programs, fmt.Sprintf("%s (pid %d)", labelOf(c.process(pid)), pid))
		}
	}
	if len(programs) == 0 {
		return ""
	}
	slices.Sort(programs)
	return ", for " + few(slices.Compact(programs))
}

// queueServices are services that are known by a part of the URL that they
// register.
var queueServices = []struct{ part, service, name string }{
	{"/wsman/", "WinRM", "remote management (WinRM)"},
	{"/116b50eb-ece2-41ac-8429-9f9e963361b7/", "PeerDistSvc", "BranchCache"},
	{"/reportserver", "SQLServerReportingServices", "SQL Server Reporting Services"},
}

// stopRequestQueues ends who has registered URLs on the port: a service by its
// name, another program by its process, and nobody where that is not known.
func stopRequestQueues(c *inquiry) []Remedy {
	var remedies []Remedy
	for _, q := range c.requestQueues() {
		known := c.stopKnownQueue(q)
		for _, pid := range q.PIDs {
			if p := c.process(pid); len(known) == 0 && p.PID != windowsKernel && !isAmbiguous(q) {
				remedies = append(remedies, c.stopQueueProcess(p)...)
			}
		}
		remedies = append(remedies, known...)
	}
	return append(remedies, Remedy{
		ID:       "see-queues",
		Title:    "See which programs have registered URLs on the port, and end or reconfigure those",
		Commands: []string{"netsh http show servicestate"},
		Effect:   "lists the URLs and the processes of all request queues",
	})
}

// stopKnownQueue stops the service that is known by a URL of the queue.
func (c *inquiry) stopKnownQueue(q *netstate.RequestQueue) []Remedy {
	for _, s := range queueServices {
		if slices.ContainsFunc(q.URLs, func(url string) bool { return strings.Contains(strings.ToLower(url), s.part) }) {
			return []Remedy{c.stopQueueService(s.service, s.name)}
		}
	}
	return nil
}

func (c *inquiry) stopQueueService(service, name string) Remedy {
	return Remedy{
		ID:       "stop-unit",
		Title:    "Stop " + name,
		Commands: []string{"Stop-Service -Name " + service},
		Effect:   "takes its URLs back, and with the last one HTTP.sys leaves the port",
		Needs:    c.needs(true),
	}
}

// stopQueueProcess: w3wp.exe works for IIS, which starts it again.
func (c *inquiry) stopQueueProcess(p *netstate.Process) []Remedy {
	switch {
	case strings.EqualFold(p.Name, "w3wp.exe"):
		return []Remedy{c.stopQueueService("W3SVC", "the web server IIS")}
	case len(p.Services) == 1:
		return []Remedy{c.stopQueueService(PowerShellQuote(p.Services[0]), "the service "+Printable(p.Services[0]))}
	case len(p.Services) > 0 || p.Name == "":
		return nil
	}
	return c.system.end(c, &holder{heads: []*netstate.Process{p}})
}
