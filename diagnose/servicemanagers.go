package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"portdoc/netstate"
)

// stopService is the remedy for a service, as a service manager writes it.
func (c *inquiry) stopService(command, effect string, privileged bool) Remedy {
	remedy := Remedy{
		ID:       "stop-unit",
		Title:    "Stop the service",
		Commands: []string{command},
		Effect:   effect,
		Needs:    c.needs(privileged),
	}
	if c.system.services().restarts() {
		remedy.Title += " (it may come back after a kill)"
	}
	return remedy
}

// systemd is the service manager of most Linux systems.
type systemd struct{}

// hosts are services that run other people's programs: what is in their
// control group is not what they look after.
var hosts = []string{
	"ssh.service", "sshd.service", "cron.service", "crond.service", "atd.service",
	"getty.target", "docker.service", "containerd.service", "podman.service",
}

func (systemd) looksAfter(p *netstate.Process) bool { return isService(p.Unit) }

func isService(unit string) bool {
	return strings.HasSuffix(unit, ".service") && !slices.Contains(hosts, unit) &&
		!strings.HasPrefix(unit, "user@") && !strings.HasPrefix(unit, "getty@") && !strings.HasPrefix(unit, "serial-getty@")
}

func (systemd) restarts() bool { return true }

func (systemd) stop(c *inquiry, p *netstate.Process) Remedy {
	return c.stopService(c.systemctl("stop", p), "ends its processes and does not start them again until the next boot", !p.UserUnit || c.isForeign(p))
}

func (systemd) activators(*inquiry) []Remedy {
	return []Remedy{{
		ID:       "find-socket-unit",
		Title:    "See which unit the service manager holds the socket for, and stop that one",
		Commands: []string{"systemctl list-sockets"},
		Effect:   "lists the sockets of the service manager with their units",
	}}
}

// systemctl writes a command to the service manager that has the process.
func (c *inquiry) systemctl(verb string, p *netstate.Process) string {
	unit := ShellQuote(strings.TrimSuffix(p.Unit, ".service"))
	switch {
	case !p.UserUnit:
		return c.privileged(fmt.Sprintf("systemctl %s %s", verb, unit))
	case c.isForeign(p) || c.readerIsRoot() && p.UID != nil && *p.UID != 0:
		return c.privileged(fmt.Sprintf("systemctl --user --machine=%s %s %s", ShellQuote(p.User+"@.host"), verb, unit))
	}
	return fmt.Sprintf("systemctl --user %s %s", verb, unit)
}

// launchd is the service manager of macOS (launchctl(1)).
type launchd struct{}

// looksAfter: labels of apps that a person has opened begin with
// "application.".
func (launchd) looksAfter(p *netstate.Process) bool {
	return p.Unit != "" && !strings.HasPrefix(p.Unit, "application.")
}

func (launchd) restarts() bool { return true }

// stop: kickstart and kill leave a job loaded, to be started again; bootout
// unloads it.
func (launchd) stop(c *inquiry, p *netstate.Process) Remedy {
	if !p.UserUnit {
		return c.stopService(c.privileged("launchctl bootout "+ShellQuote("system/"+p.Unit)), "ends it and keeps launchd from starting it until the next boot", true)
	}
	domain := "gui/$(id -u)/" + ShellQuote(p.Unit)
	if uid := p.UID; uid != nil {
		domain = ShellQuote(fmt.Sprintf("gui/%d/%s", *uid, p.Unit))
	}
	foreign := c.isForeign(p)
	command := "launchctl bootout " + domain
	if foreign {
		command = c.privileged(command)
	}
	return c.stopService(command, "ends it and keeps launchd from starting it until the next login", foreign)
}

func (launchd) activators(c *inquiry) []Remedy {
	return []Remedy{{
		ID:       "find-job",
		Title:    "See which launchd jobs there are; the one that the socket is for has it in its property list (Sockets) in a LaunchDaemons or LaunchAgents folder",
		Commands: []string{c.privileged("launchctl print system")},
		Effect:   "lists the services of the system with their labels, for launchctl bootout",
		Needs:    c.needs(true),
	}}
}

// rc are the scripts of BSD that start services at boot, and stop them.
type rc struct {
	// control is the command that stops one, with a %s; "" for service(8).
	control string
}

func (rc) looksAfter(p *netstate.Process) bool { return p.Unit != "" }

func (rc) restarts() bool { return false }

func (m rc) stop(c *inquiry, p *netstate.Process) Remedy {
	control := m.control
	if control == "" {
		control = "service %s stop"
	}
	return c.stopService(c.privileged(fmt.Sprintf(control, ShellQuote(p.Unit))), "ends it in order; it starts again at the next boot", true)
}

func (rc) activators(*inquiry) []Remedy { return nil }

// windowsServices is the service control manager.
type windowsServices struct{}

func (windowsServices) looksAfter(p *netstate.Process) bool {
	return p.Unit != "" || len(p.Services) > 0
}

func (windowsServices) restarts() bool { return true }

// stop: of several services in one process a socket is one's, which
// [netstate.Socket.Service] names if the system does.
func (windowsServices) stop(c *inquiry, p *netstate.Process) Remedy {
	if p.Unit == "" {
		return Remedy{
			ID:       "find-service",
			Title:    "See what its services are for, and stop the one that has the port (Stop-Service NAME)",
			Commands: []string{"Get-Service -Name " + powerShellList(p.Services)},
			Effect:   "lists them with their names and states",
		}
	}
	name := PowerShellQuote(p.Unit)
	return c.stopService("Stop-Service -Name "+name, "ends it until somebody starts it or the next boot; in cmd: sc stop "+name, true)
}

func powerShellList(words []string) string {
	var quoted []string
	for _, word := range words {
		quoted = append(quoted, PowerShellQuote(word))
	}
	return strings.Join(quoted, ",")
}

func (windowsServices) activators(*inquiry) []Remedy { return nil }
