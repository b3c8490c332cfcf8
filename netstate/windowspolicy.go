package netstate

import (
	"context"
	"errors"
	"io/fs"
	"sync"
)

// readPortPolicy asks netsh about the ports of the networks that the query is
// about, several at once: each netsh is a process of its own.
func readPortPolicy(ctx context.Context, s *Snapshot, system windowsSystem) {
	queries := portQueries(s.Query)
	if len(queries) == 0 {
		return
	}
	excluded, failures := make([]excludedPorts, len(queries)), make([]error, len(queries))
	var wait sync.WaitGroup
	for i, query := range queries {
		wait.Go(func() { excluded[i], failures[i] = readExcludedPorts(ctx, system, query.network) })
	}
	dynamic, err := readDynamicPorts(ctx, system, queries[0].network)
	s.Policy.EphemeralPorts = dynamic
	s.limitPolicy("the range of ports that port 0 and outgoing connections get", err)
	wait.Wait()
	s.Policy.ExcludedPorts = make(map[Network][]PortRange)
	for i, query := range queries {
		s.limitPolicy("the "+string(query.network)+" ports that the system has excluded", failures[i])
		if failures[i] == nil {
			s.Policy.ExcludedPorts[query.network] = excluded[i].system
			s.Policy.ReservedPorts = newPortSet(append(s.Policy.ReservedPorts, excluded[i].administered...))
		}
	}
}

// readExcludedPorts lists the ports that are kept from port 0, of both families.
func readExcludedPorts(ctx context.Context, system windowsSystem, network Network) (excludedPorts, error) {
	var all excludedPorts
	for _, family := range []string{"ipv4", "ipv6"} {
		text, err := system.netsh(ctx, "interface", family, "show", "excludedportrange", "protocol="+string(network))
		if err != nil {
			return all, err
		}
		ranges, err := parseExcludedPorts(text)
		if err != nil {
			return all, err
		}
		all.system = append(all.system, ranges.system...)
		all.administered = append(all.administered, ranges.administered...)
	}
	return excludedPorts{newPortSet(all.system), newPortSet(all.administered)}, nil
}

// readDynamicPorts is the range that port 0 draws from.
func readDynamicPorts(ctx context.Context, system windowsSystem, network Network) (*PortRange, error) {
	text, err := system.netsh(ctx, "interface", "ipv4", "show", "dynamicport", string(network))
	if err != nil {
		return nil, err
	}
	return parseDynamicPorts(text)
}

// portForwards lists the rules of `netsh interface portproxy` for the ports.
func portForwards(ctx context.Context, system windowsSystem, ports portSet) ([]PortForward, error) {
	rules, err := system.portProxy()
	if errors.Is(err, fs.ErrPermission) {
		var text string
		if text, err = system.netsh(ctx, "interface", "portproxy", "show", "all"); err == nil {
			rules, err = parsePortProxyTable(text)
		}
	}
	var forwards []PortForward
	for _, rule := range rules {
		if ports.contains(rule.Listen.Port()) {
			forwards = append(forwards, rule)
		}
	}
	return forwards, err
}
