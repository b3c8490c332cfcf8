package netstate

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// What netsh prints is in the language of the system, and in its code page.
// Only the line of dashes under a heading, the numbers and the addresses are
// the same everywhere.

// errNoTable is what a netsh that does not know its command leads to, as that
// of Wine, which prints nothing.
var errNoTable = errors.New("netsh printed no table")

// isDashes tells whether a line is the one under a heading.
func isDashes(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, "--------") && strings.Trim(line, "- ") == ""
}

// tableLines are the lines below the first line of dashes.
func tableLines(text string) ([]string, error) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if isDashes(line) {
			return lines[i+1:], nil
		}
	}
	return nil, errNoTable
}

// excludedPorts are ranges that are kept from port 0. Nobody can bind those
// that the system made for itself; those that an administrator made can be
// bound by their number ("Administered port exclusions", marked with a star).
type excludedPorts struct{ system, administered []PortRange }

// parseExcludedPorts reads `netsh interface ipv4|ipv6 show excludedportrange`:
// rows of a first and a last port, and perhaps a star.
func parseExcludedPorts(text string) (excludedPorts, error) {
	lines, err := tableLines(text)
	if err != nil {
		return excludedPorts{}, err
	}
	var all excludedPorts
	for _, line := range lines {
		row := strings.Fields(line)
		starred := len(row) == 3 && row[2] == "*"
		if !starred && len(row) != 2 || !isNumber(row[0]) || !isNumber(row[1]) {
			continue
		}
		ports, err := parsePortRange(row[0], row[1])
		switch {
		case err != nil:
			return excludedPorts{}, err
		case starred:
			all.administered = append(all.administered, ports)
		default:
			all.system = append(all.system, ports)
		}
	}
	return all, nil
}

func isNumber(word string) bool { return word != "" && strings.Trim(word, "0123456789") == "" }

// parseDynamicPorts reads `netsh interface ipv4 show dynamicport`: the first
// port and then the number of ports, each at the end of its line.
func parseDynamicPorts(text string) (*PortRange, error) {
	lines, err := tableLines(text)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, line := range lines {
		if _, digits := cutLastNumber(line); digits != "" {
			n, _ := strconv.Atoi(digits) // the largest int for one that is too long
			numbers = append(numbers, n)
		}
	}
	if len(numbers) != 2 || numbers[0] > math.MaxUint16 || numbers[1] < 1 || numbers[1] > math.MaxUint16+1-numbers[0] {
		return nil, fmt.Errorf("netsh printed no range of ports: %v", numbers)
	}
	return &PortRange{First: uint16(numbers[0]), Last: uint16(numbers[0] + numbers[1] - 1)}, nil
}

// cutLastNumber takes the digits at the end of a line off it.
func cutLastNumber(line string) (front, digits string) {
	line = strings.TrimSpace(line)
	front = strings.TrimRight(line, "0123456789")
	return front, line[len(front):]
}

// parsePortProxyTable reads `netsh interface portproxy show all`, which prints
// a table for each pair of families that has rules, and nothing without any.
// The heading of each names the families, "ipv4" or "ipv6".
func parsePortProxyTable(text string) ([]PortForward, error) {
	var forwards []PortForward
	kind := ""
	for line := range strings.Lines(text) {
		if from, to, ok := twoFamilies(line); ok {
			kind = from + "to" + to
		}
		fields := strings.Fields(line)
		if len(fields) != 4 || !isPort(fields[1]) || !isPort(fields[3]) {
			continue
		}
		forward, err := parsePortProxy(kind, fields[0]+"/"+fields[1], fields[2]+"/"+fields[3])
		if err != nil {
			return nil, err
		}
		forwards = append(forwards, forward)
	}
	return forwards, nil
}

// twoFamilies finds the names of two families in a heading: "v4" and "v6".
func twoFamilies(line string) (first, second string, ok bool) {
	var found []string
	for _, part := range strings.Split(strings.ToLower(line), "ipv")[1:] {
		if strings.HasPrefix(part, "4") || strings.HasPrefix(part, "6") {
			found = append(found, "v"+part[:1])
		}
	}
	if len(found) != 2 {
		return "", "", false
	}
	return found[0], found[1], true
}

func isPort(word string) bool {
	_, err := strconv.ParseUint(word, 10, 16)
	return err == nil
}

// parsePortProxy reads one rule as the registry has it, under
// HKLM\SYSTEM\CurrentControlSet\Services\PortProxy\KIND\tcp: the name of a
// value is where it listens, "192.168.0.1/8080" or "*/8080", and the value
// where it connects to.
func parsePortProxy(kind, listen, connect string) (PortForward, error) {
	address, port, err := splitPortProxy(listen)
	if err != nil {
		return PortForward{}, err
	}
	host, hostPort, err := splitPortProxy(connect)
	if err != nil {
		return PortForward{}, err
	}
	local, err := netip.ParseAddr(address)
	if address == "*" {
		local, err = netip.IPv4Unspecified(), nil
		if strings.HasPrefix(kind, "v6") {
			local = netip.IPv6Unspecified()
		}
	}
	if err != nil {
		return PortForward{}, fmt.Errorf("a portproxy rule listens on %q, which is no address", address)
	}
	to := host + ":" + strconv.Itoa(int(hostPort))
	if strings.Contains(host, ":") {
		to = "[" + host + "]:" + strconv.Itoa(int(hostPort))
	}
	return PortForward{Network: TCP, Listen: netip.AddrPortFrom(local, port), To: to}, nil
}

func splitPortProxy(word string) (host string, port uint16, err error) {
	host, digits, _ := strings.Cut(word, "/")
	number, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || host == "" {
		return "", 0, fmt.Errorf("%q in a portproxy rule is no address and port", word)
	}
	return host, uint16(number), nil
}
