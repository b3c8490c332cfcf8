package diagnose_test

import (
	"slices"
	"strings"
	"testing"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// strangers are words that have no place in a report on a system.
var strangers = map[string][]string{
	"linux":   {"taskkill", "Stop-Process", "PowerShell", "launchctl", "WSA", "doas "},
	"darwin":  append([]string{"systemctl", "ip address", "SOCK_CLOEXEC", "doas "}, ofLinux...),
	"freebsd": append([]string{"systemctl", "ip address", "launchctl", "doas "}, ofLinux...),
	"openbsd": append([]string{"systemctl", "ip address", "launchctl", "sudo "}, ofLinux...),
	"windows": append([]string{
		"systemctl", "systemd", "launchctl", "sudo ", "doas ", "kill -", "Ctrl+Z", "SIG", "TERM", "FD_CLOEXEC", "ifconfig", "/etc/", "as root",
		"(EACCES)", "(EADDRINUSE)", "gets EA",
	}, ofLinux...),
}

var ofLinux = []string{"Linux", "io_uring", "network namespace", "SELinux", "CAP_NET", "ip_unprivileged", "ip_local", "/proc/", "iproute"}

// TestWordsOfTheSystem takes every case for one of each system. What is said
// then may be odd, but not what is true elsewhere only. Facts that only Linux
// has are left out first.
func TestWordsOfTheSystem(t *testing.T) {
	for _, c := range reportCases() {
		c.observe()
		for os, words := range strangers {
			s := clone(t, c.snapshot.Snapshot)
			if s.Host.OS != os {
				move(s, os)
			}
			report := diagnose.Why(s, c.question)
			for _, text := range texts(report) {
				for _, word := range words {
					if strings.Contains(text, word) {
						t.Errorf("%s on %s speaks of %q: %s", c.name, os, word, text)
					}
				}
			}
		}
	}
}

// move makes a snapshot one of another system.
func move(s *netstate.Snapshot, os string) {
	s.Host.OS = os
	s.Limits = slices.DeleteFunc(s.Limits, func(l netstate.Limit) bool { return l.Kind == netstate.LimitSource })
	for i := range s.Limits {
		s.Limits[i].Why = "it belongs to somebody else"
	}
	for i := range s.Processes {
		p := &s.Processes[i]
		p.StopSignal, p.FrozenBy, p.Cgroup, p.Container, p.Unit, p.Services = "", "", "", "", "", nil
		if p.State == netstate.Frozen {
			p.State = netstate.Running
		}
		if strings.HasPrefix(p.Name, "systemd") {
			p.Name, p.Command, p.User = "resolver", nil, "resolver"
		}
		if p.ParentName == "systemd" {
			p.ParentName = "init"
		}
	}
	for i := range s.Sockets {
		s.Sockets[i].Cgroup = ""
	}
	if os == "windows" {
		s.Kernel = slices.DeleteFunc(s.Kernel, func(k netstate.KernelHolder) bool { return k.Queue == nil })
	}
}
