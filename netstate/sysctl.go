package netstate

import (
	"fmt"
	"strconv"
	"strings"
)

// parseSysctlBool reads a number that stands for a switch. Some switches have
// more than one setting that means on.
func parseSysctlBool(text string) (*bool, error) {
	number, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no switch", text)
	}
	on := number != 0
	return &on, nil
}

// parseSysctlRange reads the first and the last port, with space between them:
// "32768	60999".
func parseSysctlRange(text string) (*PortRange, error) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return nil, fmt.Errorf("%q is no range of ports", text)
	}
	ports, err := parsePortRange(fields[0], fields[1])
	if err != nil {
		return nil, err
	}
	return &ports, nil
}

// parseSysctlPorts reads a list of ports and ranges as the kernel prints it
// (proc_do_large_bitmap in kernel/sysctl.c): "8080,9148-9150", or nothing.
func parseSysctlPorts(text string) ([]PortRange, error) {
	if text == "" {
		return nil, nil
	}
	var list []PortRange
	for item := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(item, "-")
		if !isRange {
			last = first
		}
		ports, err := parsePortRange(first, last)
		if err != nil {
			return nil, err
		}
		list = append(list, ports)
	}
	return list, nil
}

func parsePortRange(first, last string) (PortRange, error) {
	low, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return PortRange{}, fmt.Errorf("%q is no port", first)
	}
	high, err := strconv.ParseUint(last, 10, 16)
	if err != nil {
		return PortRange{}, fmt.Errorf("%q is no port", last)
	}
	if low > high {
		return PortRange{}, fmt.Errorf("%s-%s is no range of ports", first, last)
	}
	return PortRange{First: uint16(low), Last: uint16(high)}, nil
}
