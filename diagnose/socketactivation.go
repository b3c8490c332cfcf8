package diagnose

import (
	"fmt"

	"portdoc/netstate"
)

var socketActivation = Kind{
	ID:    "socket-activation",
	Title: "The service manager itself holds the socket",
	About: `systemd and launchd can open a socket before the service that it is for runs: the
first client starts it. The system's first process (pid 1) then has the port,
also while the service is stopped. Stop what the service manager opened the
socket for: on Linux the .socket unit, on macOS the launchd job.`,
	find: findSocketActivation,
}

func findSocketActivation(c *inquiry) []finding {
	holders := c.holders(func(r row, _ netstate.Owner, p *netstate.Process) bool { return r.holds() && isActivator(p) })
	var findings []finding
	for _, h := range holders {
		remedies := c.system.services().activators(c)
		if len(remedies) == 0 {
			continue
		}
		findings = append(findings, finding{
			title:    "The service manager holds it for a service that it starts on demand",
			detail:   fmt.Sprintf("%s is the system's first process. It holds the socket for a service, and starts that when somebody connects.", h.name()),
			summary:  fmt.Sprintf("%s is taken: %s holds it for a service that it starts on demand", c.label(), h.name()),
			rows:     h.rows,
			pids:     h.pids(),
			remedies: remedies,
		})
	}
	return findings
}

// isActivator: in a container the first process may be any program.
func isActivator(p *netstate.Process) bool {
	return p.PID == 1 && (p.Name == "systemd" || p.Name == "init" || p.Name == "launchd")
}
