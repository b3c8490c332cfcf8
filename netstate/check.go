package netstate

import "fmt"

// check finds values that no system can have said.
func (s *Snapshot) check() error {
	for i, e := range s.Query.Endpoints {
		if e.LastPort != 0 && e.LastPort < e.Port {
			return fmt.Errorf("query.endpoints[%d] ends before it begins: %d-%d", i, e.Port, e.LastPort)
		}
	}
	for i, socket := range s.Sockets {
		if err := socket.check(); err != nil {
			return fmt.Errorf("sockets[%d].%w", i, err)
		}
	}
	for i, socket := range s.Unix {
		if err := checkOwners(socket.Owners); err != nil {
			return fmt.Errorf("unix_sockets[%d].%w", i, err)
		}
	}
	for i, process := range s.Processes {
		if err := process.check(); err != nil {
			return fmt.Errorf("processes[%d].%w", i, err)
		}
	}
	if err := s.Policy.check(); err != nil {
		return fmt.Errorf("policy.%w", err)
	}
	if e := s.Ephemeral; e != nil && (e.Available < 0 || e.Used < 0) {
		return fmt.Errorf("ephemeral_use is negative: %d of %d", e.Used, e.Available)
	}
	return nil
}

func (s *Socket) check() error {
	if s.Timer != nil && s.Timer.RemainingMilliseconds < 0 {
		return negative("timer.remaining_ms", s.Timer.RemainingMilliseconds)
	}
	return checkOwners(s.Owners)
}

func checkOwners(owners []Owner) error {
	for i, o := range owners {
		if o.PID < 0 {
			return negative(fmt.Sprintf("owners[%d].pid", i), o.PID)
		}
		for _, fd := range o.FDs {
			if fd < 0 {
				return negative(fmt.Sprintf("owners[%d].fds", i), fd)
			}
		}
	}
	return nil
}

func (p *Process) check() error {
	numbers := []struct {
		name  string
		value int64
	}{
		{"pid", int64(p.PID)}, {"ppid", int64(p.PPID)}, {"pgid", int64(p.PGID)}, {"sid", int64(p.SID)},
		{"stopped_for_ms", p.StoppedFor}, {"tracer.pid", pidOf(p.Tracer)}, {"shell.pid", pidOf(p.Shell)},
	}
	for _, n := range numbers {
		if n.value < 0 {
			return negative(n.name, n.value)
		}
	}
	for i, pid := range p.Ancestors {
		if pid < 0 {
			return negative(fmt.Sprintf("ancestors[%d]", i), pid)
		}
	}
	return nil
}

func pidOf(r *ProcessRef) int64 {
	if r == nil {
		return 0
	}
	return int64(r.PID)
}

func (p *Policy) check() error {
	if start := p.UnprivilegedPortStart; start != nil && (*start < 0 || *start > 1<<16) {
		return fmt.Errorf("unprivileged_port_start is no port: %d", *start)
	}
	if p.EphemeralPorts != nil {
		if err := checkRanges("ephemeral_ports", []PortRange{*p.EphemeralPorts}); err != nil {
			return err
		}
	}
	for network, ranges := range p.ExcludedPorts {
		if err := checkRanges("excluded_ports."+string(network), ranges); err != nil {
			return err
		}
	}
	return checkRanges("reserved_ports", p.ReservedPorts)
}

func checkRanges(name string, ranges []PortRange) error {
	for _, r := range ranges {
		if r.First > r.Last {
			return fmt.Errorf("%s ends before it begins: %d-%d", name, r.First, r.Last)
		}
	}
	return nil
}

func negative[T int | int64](name string, value T) error {
	return fmt.Errorf("%s is negative: %d", name, value)
}
