package netstate

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// netstatStates are the states as netstat prints them (bsd/netinet/tcp_fsm.h
// of xnu).
var netstatStates = map[string]State{
	"CLOSED": StateBound, "LISTEN": StateListen, "SYN_SENT": StateSynSent, "SYN_RCVD": StateSynRecv,
	"ESTABLISHED": StateEstablished, "CLOSE_WAIT": StateCloseWait, "FIN_WAIT_1": StateFinWait1, "CLOSING": StateClosing,
	"LAST_ACK": StateLastAck, "FIN_WAIT_2": StateFinWait2, "TIME_WAIT": StateTimeWait,
}

// netstatLimit says what a snapshot of one network lacks that was read from
// netstat because of refusal.
func netstatLimit(network Network, refusal error) Limit {
	return Limit{
		Kind:    LimitSource,
		Network: network,
		What:    fmt.Sprintf("the users and accept queues of %s sockets, and which IPv4 connections an IPv6 socket has", network),
		Why:     fmt.Sprintf("the kernel's own list can't be read (%v), and what netstat prints lacks them", refusal),
	}
}

// parseNetstat decodes what `netstat -anvW -p tcp` or `-p udp` of macOS prints.
// The columns behind the state have changed with the versions (inet.c of
// network_cmds 457 to 726), so they are found by the header. Every column is
// one word but "process:pid", whose names may have spaces.
//
// A row that can't be understood is an error: the table would lack a socket. So
// is an IPv6 address that was cut off, as it is without -W.
func parseNetstat(network Network, text string) ([]xnuSocket, error) {
	var sockets []xnuSocket
	var columns []string
	var failures []error
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 0 && fields[0] == "Proto":
			columns = columnsBehindState(line)
		case len(fields) > 0 && strings.HasPrefix(fields[0], string(network)):
			s, err := parseNetstatRow(network, fields, columns)
			if err != nil {
				failures = append(failures, fmt.Errorf("%w in the row %q", err, strings.TrimSpace(line)))
			} else if s.Local.Port() != 0 {
				sockets = append(sockets, s)
			}
		}
	}
	if columns == nil {
		failures = append(failures, errors.New("netstat printed no header of a table"))
	}
	return sockets, errors.Join(failures...)
}

// columnsBehindState are the names of the columns behind "(state)", which is
// there for UDP as well. They are not nil.
func columnsBehindState(header string) []string {
	_, rest, _ := strings.Cut(header, "(state)")
	return append([]string{}, strings.Fields(rest)...)
}

func parseNetstatRow(network Network, fields, columns []string) (xnuSocket, error) {
	if len(fields) < 5 {
		return xnuSocket{}, fmt.Errorf("%d columns", len(fields))
	}
	s := xnuSocket{Socket: Socket{Network: network}}
	if err := s.setNetstatAddresses(fields[0], fields[3], fields[4]); err != nil {
		return xnuSocket{}, err
	}
	rest := fields[5:]
	s.setUDPState()
	if network == TCP {
		known := false
		if len(rest) > 0 {
			s.State, known = netstatStates[rest[0]]
		}
		if !known {
			return xnuSocket{}, errors.New("no state of TCP")
		}
		rest = rest[1:]
	}
	if s.State != StateListen {
		s.setNetstatQueues(fields[1], fields[2])
	}
	if len(rest) < len(columns) {
		return xnuSocket{}, fmt.Errorf("%d words for the %d columns behind the state", len(rest), len(columns))
	}
	return s, s.setNetstatDetails(valuesByColumn(columns, rest))
}

// setNetstatAddresses reads the protocol, as "tcp46", and both addresses. An
// IPv4 connection of an IPv6 socket can't be told from others here.
func (s *xnuSocket) setNetstatAddresses(protocol, local, remote string) (err error) {
	wildcard := netip.IPv6Unspecified()
	s.Family = IPv6
	version := strings.TrimPrefix(protocol, string(s.Network))
	switch version {
	case "4":
		s.Family, wildcard = IPv4, netip.IPv4Unspecified()
	case "6", "46":
	default:
		return fmt.Errorf("the protocol %q", protocol)
	}
	if s.Local, err = parseNetstatAddress(local, wildcard, s.Family); err != nil {
		return err
	}
	if remote != "*.*" {
		if s.Remote, err = parseNetstatAddress(remote, wildcard, s.Family); err != nil {
			return err
		}
	}
	s.setV6Only(version == "6")
	return nil
}

// parseNetstatAddress reads "127.0.0.1.80", "fe80::1%lo0.80", "*.80" or "*.*".
// Port 0 stands for none.
func parseNetstatAddress(text string, wildcard netip.Addr, family Family) (netip.AddrPort, error) {
	dot := strings.LastIndexByte(text, '.')
	if dot < 0 {
		return netip.AddrPort{}, fmt.Errorf("the address %q", text)
	}
	address, err := wildcard, error(nil)
	if host := text[:dot]; host != "*" {
		if address, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, fmt.Errorf("the address %q", text)
		}
	}
	if family == IPv6 && address.Is4() {
		address = netip.AddrFrom16(address.As16())
	}
	if address.Is4() != (family == IPv4) {
		return netip.AddrPort{}, fmt.Errorf("the address %q", text)
	}
	if text[dot+1:] == "*" {
		return netip.AddrPortFrom(address, 0), nil
	}
	port, err := strconv.ParseUint(text[dot+1:], 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("the port of %q", text)
	}
	return netip.AddrPortFrom(address, uint16(port)), nil
}

func (s *xnuSocket) setNetstatQueues(receive, send string) {
	if n, err := strconv.ParseUint(receive, 10, 32); err == nil {
		s.ReceiveQueue = uint32(n)
	}
	if n, err := strconv.ParseUint(send, 10, 32); err == nil {
		s.SendQueue = uint32(n)
	}
}

// valuesByColumn assigns the words of a row to its columns: those before
// "process:pid" from the left, those behind it from the right. There are at
// least as many words as columns.
func valuesByColumn(columns, words []string) map[string]string {
	values := make(map[string]string, len(columns))
	left := slices.Index(columns, "process:pid")
	if left < 0 {
		left = len(columns)
	}
	for i, name := range columns[:left] {
		values[name] = words[i]
	}
	if left < len(columns) {
		behind := len(words) - (len(columns) - left - 1)
		values["process:pid"] = strings.Join(words[left:behind], " ")
		for i, name := range columns[left+1:] {
			values[name] = words[behind+i]
		}
	}
	return values
}

// setNetstatDetails reads the columns of -v that matter. Those with bits are in
// hexadecimal, with "0x" in older versions. Without -v there are none, and
// then every socket is taken for one that somebody has open unless its state
// says otherwise.
func (s *xnuSocket) setNetstatDetails(values map[string]string) error {
	s.open = s.State != StateTimeWait
	var generation uint64
	for name, set := range map[string]func(uint64){
		"state":   func(bits uint64) { s.open = bits&xnuNoDescriptor == 0 },
		"options": func(bits uint64) { s.setOptionBits(uint32(bits)) },
		"gencnt":  func(count uint64) { generation = count },
	} {
		text, there := values[name]
		if !there {
			continue
		}
		number, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64)
		if err != nil {
			return fmt.Errorf("%s %q", name, text)
		}
		set(number)
	}
	s.identify(generation)
	return s.setNetstatPID(values)
}

func (s *xnuSocket) setNetstatPID(values map[string]string) error {
	text, there := values["pid"]
	if process, together := values["process:pid"]; together {
		text, there = process[strings.LastIndexByte(process, ':')+1:], true
	}
	if !there {
		return nil
	}
	pid, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return fmt.Errorf("the process %q", text)
	}
	s.LastPID = int(pid)
	return nil
}
