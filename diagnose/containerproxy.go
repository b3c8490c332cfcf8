package diagnose

import (
	"fmt"
	"strings"

	"portdoc/netstate"
)

var containerProxy = Kind{
	ID:    "container-proxy",
	Title: "A container runtime publishes it",
	About: `A container's published port is held on the host by a program of the container
runtime: docker-proxy, rootlesskit, rootlessport, or the backend of Docker
Desktop. To end that program does not free the port for the runtime, which goes
on to count it as given away. Stop the container that publishes the port.`,
	find: findContainerProxies,
}

func findContainerProxies(c *inquiry) []finding {
	holders := c.holders(func(r row, _ netstate.Owner, p *netstate.Process) bool {
		return r.holds() && containerRuntime(p) != "" && !isSuspended(p)
	})
	var findings []finding
	for _, h := range holders {
		runtime := containerRuntime(h.lead())
		findings = append(findings, finding{
			title:   fmt.Sprintf("%s publishes it for a container", h.name()),
			detail:  fmt.Sprintf("%s holds the port for a container: what arrives goes on to it.", h.name()),
			summary: fmt.Sprintf("%s is taken: %s publishes it for a container", c.label(), h.name()),
			rows:    h.rows,
			pids:    h.pids(),
			remedies: []Remedy{{
				ID:       "find-container",
				Title:    "See which container publishes the port, and stop that one (ending the proxy would not free the port for " + runtime + ")",
				Commands: []string{runtime + " ps"},
				Effect:   "lists the running containers with their ports",
			}},
		})
	}
	return findings
}

// containerRuntime is the command of the container runtime whose proxy a
// process is, "" for none.
func containerRuntime(p *netstate.Process) string {
	switch strings.TrimSuffix(strings.ToLower(p.Name), ".exe") {
	case "docker-proxy", "dockerd", "rootlesskit", "com.docker.backend", "com.docker.backe", "vpnkit", "com.docker.vpnkit":
		return "docker"
	case "rootlessport", "gvproxy":
		return "podman"
	}
	return ""
}
