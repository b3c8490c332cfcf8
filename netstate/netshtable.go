package netstate

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// What netsh prints is in the language of the system, and in its code page.
// Only the line of dashes under a heading, the numbers and the addresses are
// the same everywhere.

// errNoTable is what a netsh that does not know its command leads to, as that
// of Wine, which prints nothing.
var errNoTable = errors.New("netsh printed no table")

// dashes is the line under a heading.
var dashes = regexp.MustCompile(`^-{8,}[- ]*$`)

// tableLines are the lines below the first line of dashes.
func tableLines(text string) ([]string, error) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if dashes.MatchString(strings.TrimSpace(line)) {
			return lines[i+1:], nil
		}
	}
	return nil, errNoTable
}

// excludedRange is a row of `show excludedportrange`: the first and the last
// port, and a star if an administrator made it.
var excludedRange = regexp.MustCompile(`^\s*(\d+)\s+(\d+)(?:\s+\*)?\s*$`)

// parseExcludedPorts reads `netsh interface ipv4|ipv6 show excludedportrange`.
func parseExcludedPorts(text string) ([]PortRange, error) {
	lines, err := tableLines(text)
	if err != nil {
		return nil, err
	}
	var ranges []PortRange
	for _, line := range lines {
		row := excludedRange.FindStringSubmatch(line)
		if row == nil {
			continue
		}
		ports, err := parsePortRange(row[1], row[2])
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, ports)
	}
	return ranges, nil
}

// lastNumber is the number at the end of a line.
var lastNumber = regexp.MustCompile(`(\d+)\s*$`)

// parseDynamicPorts reads `netsh interface ipv4 show dynamicport`: the first
// port and then the number of ports, each at the end of its line.
func parseDynamicPorts(text string) (*PortRange, error) {
	lines, err := tableLines(text)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, line := range lines {
		if found := lastNumber.FindStringSubmatch(line); found != nil {
			n, _ := strconv.Atoi(found[1]) // the largest int for one that is too long
			numbers = append(numbers, n)
		}
	}
	if len(numbers) != 2 || numbers[0] > math.MaxUint16 || numbers[1] < 1 || numbers[1] > math.MaxUint16+1-numbers[0] {
		return nil, fmt.Errorf("netsh printed no range of ports: %v", numbers)
	}
	return &PortRange{First: uint16(numbers[0]), Last: uint16(numbers[0] + numbers[1] - 1)}, nil
}

// parsePortProxyTable reads `netsh interface portproxy show all`, which prints
// a table for each pair of families that has rules, and nothing without any.
// The heading of each names the families, "ipv4" or "ipv6".
func parsePortProxyTable(text string) ([]PortForward, error) {
	var forwards []PortForward
	kind := ""
	for line := range strings.Lines(text) {
		if families := ipVersion.FindAllString(strings.ToLower(line), -1); len(families) == 2 {
			kind = strings.Replace(families[0], "ip", "", 1) + "to" + strings.Replace(families[1], "ip", "", 1)
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

var ipVersion = regexp.MustCompile(`ipv[46]`)

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
