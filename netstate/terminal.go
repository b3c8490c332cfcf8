package netstate

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// terminalName names a terminal by its device number as /proc/PID/stat has it:
// the minor number in bits 0 to 7 and 20 to 31, the major in 8 to 19. drivers
// is the text of /proc/tty/drivers, needed for terminals that are neither
// pseudo-terminals nor virtual consoles.
//
// The names are relative to /dev, as "pts/3"; "" stands for no terminal, and
// "MAJOR:MINOR" for one that no driver names.
func terminalName(device uint32, drivers []byte) string {
	major, minor := device>>8&0xfff, device&0xff|device>>12&0xfff00
	switch {
	case device == 0:
		return ""
	case 136 <= major && major <= 143: // UNIX98_PTY_SLAVE_MAJOR, 8 majors
		return fmt.Sprintf("pts/%d", (major-136)<<8|minor)
	case major == 4 && minor < 64: // TTY_MAJOR: consoles, then serial lines
		return fmt.Sprintf("tty%d", minor)
	}
	return driverTerminal(major, minor, drivers)
}

// driverTerminal finds a terminal in /proc/tty/drivers. Its columns are the
// driver, the name, the major number, a minor number or range of them, and the
// type; a range numbers the names from 0.
func driverTerminal(major, minor uint32, drivers []byte) string {
	for line := range bytes.Lines(drivers) {
		fields := strings.Fields(string(line))
		if len(fields) < 4 || fields[2] != strconv.FormatUint(uint64(major), 10) {
			continue
		}
		low, high, several := strings.Cut(fields[3], "-")
		first, err := strconv.ParseUint(low, 10, 32)
		if err != nil {
			continue
		}
		name := strings.TrimPrefix(fields[1], "/dev/")
		if !several && uint64(minor) == first && len(fields) > 4 {
			return name + singleNumber(fields[4])
		}
		last, err := strconv.ParseUint(high, 10, 32)
		if err == nil && first <= uint64(minor) && uint64(minor) <= last {
			return name + strconv.FormatUint(uint64(minor)-first, 10)
		}
	}
	return fmt.Sprintf("%d:%d", major, minor)
}

// singleNumber is the number in the name of a driver's only terminal: "0" for
// a serial line, "" for a system device as console.
func singleNumber(kind string) string {
	if strings.HasPrefix(kind, "system") {
		return ""
	}
	return "0"
}
