package netstate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// struct kinfo_proc of FreeBSD (sys/sys/user.h) on 64-bit machines. Its length
// is 1088 on all of them and never changes; other machines have other lengths.
const (
	kinfoLength = 1088

	kinfoPID          = 72
	kinfoParent       = 76
	kinfoGroup        = 80
	kinfoSession      = 88
	kinfoUID          = 168
	kinfoExit         = 304 // ki_xstat: the low 7 bits are a signal
	kinfoStart        = 336 // struct timeval: seconds, microseconds
	kinfoFlags        = 368 // P_*
	kinfoState        = 388 // S*
	kinfoName         = 447 // 20 bytes
	kinfoTerminal     = 560 // ki_tdev
	kinfoTracer       = 576
	kinfoNameLength   = 20
	kinfoNoTerminal   = 1<<64 - 1 // NODEV
	kinfoNoTerminal32 = 1<<32 - 1 // of FreeBSD 11
)

// From sys/sys/proc.h.
const (
	kinfoStopped = 4 // SSTOP
	kinfoZombie  = 5 // SZOMB

	kinfoTraced      = 0x00800 // P_TRACED
	kinfoStopSignal  = 0x20000 // P_STOPPED_SIG
	kinfoStopTracing = 0x40000 // P_STOPPED_TRACE
)

// freebsdProcess is what the kernel says of a process.
type freebsdProcess struct {
	pid, parent, group, session int
	uid                         uint32
	name                        string
	started                     time.Time
	// terminal is the device number, 0 for none.
	terminal   uint64
	state      ProcessState
	stopSignal string
	// tracer is 0 for none.
	tracer int
}

// decodeFreeBSDProcess decodes what sysctl kern.proc.pid gives of one process.
// The error is errLayout.
func decodeFreeBSDProcess(record []byte) (freebsdProcess, error) {
	if len(record) < kinfoLength {
		return freebsdProcess{}, fmt.Errorf("%w: a process of %d bytes instead of %d", errLayout, len(record), kinfoLength)
	}
	if length := uint32At(record, 0); length != kinfoLength {
		return freebsdProcess{}, fmt.Errorf("%w: a process of %d bytes instead of %d", errLayout, length, kinfoLength)
	}
	number := func(at int) int { return int(int32(uint32At(record, at))) }
	name, _, _ := bytes.Cut(record[kinfoName:kinfoName+kinfoNameLength], []byte{0})
	p := freebsdProcess{
		pid: number(kinfoPID), parent: number(kinfoParent), group: number(kinfoGroup), session: number(kinfoSession),
		uid:      uint32At(record, kinfoUID),
		name:     string(name),
		terminal: binary.NativeEndian.Uint64(record[kinfoTerminal:]),
		tracer:   number(kinfoTracer),
	}
	if p.terminal == kinfoNoTerminal || p.terminal == kinfoNoTerminal32 {
		p.terminal = 0
	}
	seconds := int64(binary.NativeEndian.Uint64(record[kinfoStart:]))
	if seconds > 0 { // 0 for what the kernel started itself
		p.started = time.Unix(seconds, int64(binary.NativeEndian.Uint64(record[kinfoStart+8:]))*1000)
	}
	p.setState(record)
	return p, nil
}

// setState tells a stop by a signal from one by a debugger.
func (p *freebsdProcess) setState(record []byte) {
	flags := binary.NativeEndian.Uint64(record[kinfoFlags:])
	switch state := record[kinfoState]; {
	case state == kinfoZombie:
		p.state = Zombie
	case state == kinfoStopped && flags&kinfoTraced != 0 && flags&(kinfoStopTracing|kinfoStopSignal) != 0:
		p.state = Traced
	case state == kinfoStopped:
		p.state = Stopped
		p.stopSignal = bsdStopSignal(binary.NativeEndian.Uint16(record[kinfoExit:]) & 0x7f)
	default:
		p.state = Running
	}
}

// bsdStopSignal names a signal that stops a process, by the number that it has
// on macOS and every BSD; "" for another.
func bsdStopSignal(number uint16) string {
	switch number {
	case 17:
		return "SIGSTOP"
	case 18:
		return "SIGTSTP"
	case 21:
		return "SIGTTIN"
	case 22:
		return "SIGTTOU"
	}
	return ""
}

// freebsdProcesses makes processes of what lookup says of their pids, in that
// order; lookup returns nil for a process that is not there. terminal names a
// terminal by its device number.
func freebsdProcesses(pids []int, lookup func(int) *freebsdProcess, terminal func(uint64) string) []Process {
	var processes []Process
	for _, pid := range pids {
		found := lookup(pid)
		if found == nil {
			continue
		}
		p := Process{
			PID: pid, PPID: found.parent, PGID: found.group, SID: found.session,
			Name: found.name, UID: &found.uid, Started: found.started,
			State: found.state, StopSignal: found.stopSignal,
			TTY: terminal(found.terminal),
		}
		if tracer := lookup(found.tracer); found.tracer > 0 && tracer != nil {
			p.Tracer = &ProcessRef{PID: tracer.pid, Name: tracer.name}
		}
		p.setFamily(func(pid int) *relative {
			if ancestor := lookup(pid); ancestor != nil {
				return ancestor.relative(terminal)
			}
			return nil
		})
		processes = append(processes, p)
	}
	return processes
}

// relative is the part of it that matters to its descendants.
func (p *freebsdProcess) relative(terminal func(uint64) string) *relative {
	return &relative{name: p.name, ppid: p.parent, pgid: p.group, sid: p.session, tty: terminal(p.terminal)}
}
