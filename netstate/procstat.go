package netstate

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// kernelThread is PF_KTHREAD, a bit of [processStat.flags]
// (include/linux/sched.h).
const kernelThread = 0x00200000

// processStat is what /proc/PID/stat says of a process or thread
// (proc_pid_stat(5)).
type processStat struct {
	name            string
	state           byte
	ppid, pgid, sid int
	// terminal is the device number of the controlling terminal, 0 for none.
	terminal uint32
	flags    uint64
	threads  int
	// started is in clock ticks (1/100 s) since boot.
	started uint64
	// processor is the CPU that it last ran on; -1 where the kernel does not
	// say.
	processor int
	// exitCode is, of a stopped process, the signal that stopped it until its
	// parent has waited for it. It is 0 for readers without permission.
	exitCode int
}

// dead tells whether it has exited, with every thread it had.
func (s processStat) dead() bool { return exited(s.state) && s.threads <= 1 }

// exited tells whether a state letter is one of a thread that has exited.
func exited(state byte) bool { return state == 'Z' || state == 'X' || state == 'x' }

// parseProcessStat decodes /proc/PID/stat. The name in it may have spaces,
// newlines and parentheses.
func parseProcessStat(text []byte) (processStat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return processStat{}, fmt.Errorf("process stat without a name: %.60q", text)
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 20 || len(fields[0]) != 1 {
		return processStat{}, fmt.Errorf("process stat with %d fields: %.60q", len(fields), text)
	}
	d := fieldDecoder{fields: fields}
	s := processStat{
		name:      string(text[open+1 : end]),
		state:     fields[0][0],
		ppid:      d.int(4),
		pgid:      d.int(5),
		sid:       d.int(6),
		terminal:  uint32(d.int(7)),
		flags:     d.uint(9),
		threads:   d.int(20),
		started:   d.uint(22),
		processor: -1,
	}
	if len(fields) > 36 {
		s.processor = d.int(39)
	}
	if len(fields) > 49 {
		s.exitCode = d.int(52)
	}
	return s, d.err
}

// fieldDecoder decodes the fields after the name in /proc/PID/stat, by the
// numbers they have in proc_pid_stat(5): the first is 3.
type fieldDecoder struct {
	fields []string
	err    error
}

func (d *fieldDecoder) int(number int) int {
	n, err := strconv.Atoi(d.fields[number-3])
	if err != nil {
		d.err = fmt.Errorf("field %d of a process stat: %w", number, err)
	}
	return n
}

func (d *fieldDecoder) uint(number int) uint64 {
	n, err := strconv.ParseUint(d.fields[number-3], 10, 64)
	if err != nil {
		d.err = fmt.Errorf("field %d of a process stat: %w", number, err)
	}
	return n
}

// processStatus is what is taken from /proc/PID/status.
type processStatus struct {
	// uid is the effective user id, nil where there is none.
	uid *uint32
	// tracer is the pid of the process that traces it, 0 for none and for
	// one outside the reader's PID namespace.
	tracer int
}

// parseProcessStatus decodes /proc/PID/status. The names in it are escaped, so
// a line is a field.
func parseProcessStatus(text []byte) processStatus {
	var s processStatus
	for line := range bytes.Lines(text) {
		key, value, _ := strings.Cut(string(line), ":")
		fields := strings.Fields(value)
		switch {
		case key == "Uid" && len(fields) == 4:
			if uid, err := strconv.ParseUint(fields[1], 10, 32); err == nil {
				s.uid = new(uint32(uid))
			}
		case key == "TracerPid" && len(fields) == 1:
			s.tracer, _ = strconv.Atoi(fields[0])
		}
	}
	return s
}

// parseCommandLine decodes /proc/PID/cmdline, where a zero byte ends each
// argument. A process that wrote a title over its arguments leaves one text,
// perhaps without the zero byte and perhaps with zero bytes after it.
func parseCommandLine(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	arguments := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	if title := strings.TrimRight(string(text), "\x00 "); strings.ContainsAny(title, " ") &&
		!strings.Contains(title, "\x00") {
		return []string{title}
	}
	return arguments
}

// parseExecutable decodes the text of the link /proc/PID/exe.
func parseExecutable(link string) (path string, deleted bool) {
	return strings.CutSuffix(link, " (deleted)")
}

// parseDescriptorFlags finds the flags in /proc/PID/fdinfo/N, in octal there,
// with the bits of open(2).
func parseDescriptorFlags(text []byte) (flags uint64, ok bool) {
	for line := range bytes.Lines(text) {
		if value, found := bytes.CutPrefix(line, []byte("flags:")); found {
			flags, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 8, 64)
			return flags, err == nil
		}
	}
	return 0, false
}

// parseExecStart finds se.exec_start in /proc/PID/sched: when the scheduler
// last began to account a run of the thread, in milliseconds of its own clock.
func parseExecStart(text []byte) (milliseconds float64, ok bool) {
	for line := range bytes.Lines(text) {
		key, value, _ := strings.Cut(string(line), ":")
		if strings.TrimSpace(key) == "se.exec_start" {
			milliseconds, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return milliseconds, err == nil && milliseconds > 0
		}
	}
	return 0, false
}

// parseUserNames finds the names of users in the text of /etc/passwd
// (passwd(5)). The first name of an id counts.
func parseUserNames(passwd []byte, wanted map[uint32]bool) map[uint32]string {
	names := make(map[uint32]string, len(wanted))
	for line := range bytes.Lines(passwd) {
		fields := strings.SplitN(string(line), ":", 4)
		if len(fields) < 4 {
			continue
		}
		uid, err := strconv.ParseUint(fields[2], 10, 32)
		if err != nil || !wanted[uint32(uid)] || names[uint32(uid)] != "" {
			continue
		}
		names[uint32(uid)] = fields[0]
	}
	return names
}
