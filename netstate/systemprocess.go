package netstate

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"time"
	"unicode/utf16"
)

// processLayout has the lengths and offsets of SYSTEM_PROCESS_INFORMATION and
// of the SYSTEM_THREAD_INFORMATION structures that follow each (winternl.h,
// and ntexapi.h of the headers that System Informer publishes). They depend on
// the size of a pointer.
type processLayout struct {
	pointer                       int
	length, name, pid, parent     int
	threadLength, threadID, state int
	waitReason                    int
}

var (
	processLayout64 = processLayout{
		pointer: 8, length: 256, name: 64, pid: 80, parent: 88,
		threadLength: 80, threadID: 48, state: 68, waitReason: 72,
	}
	processLayout32 = processLayout{
		pointer: 4, length: 184, name: 60, pid: 68, parent: 72,
		threadLength: 64, threadID: 36, state: 52, waitReason: 56,
	}
)

// Offsets that all layouts share.
const (
	processNext       = 0
	processThreads    = 4
	processCreated    = 32
	processNameLength = 56 // of a UNICODE_STRING: bytes without a NUL
)

// nativeProcessLayout is that of this program.
func nativeProcessLayout() *processLayout {
	if strconv.IntSize == 64 {
		return &processLayout64
	}
	return &processLayout32
}

// systemProcess is a process as the system lists it, for everybody to see.
type systemProcess struct {
	pid, parent int
	name        string
	created     time.Time
	threads     []systemThread
}

// systemThread is the state of a thread, in the numbers of the kernel's
// KTHREAD_STATE and KWAIT_REASON.
type systemThread struct {
	id, state, waitReason uint32
}

const (
	threadWaiting       = 5
	waitReasonSuspended = 5
)

// decode reads the list that NtQuerySystemInformation wrote to memory at
// address base. The names are behind pointers into the same memory.
func (l *processLayout) decode(data []byte, base uint64) ([]systemProcess, error) {
	var list []systemProcess
	for {
		if len(data) < l.length {
			return nil, fmt.Errorf("a process of %d bytes in the system's list", len(data))
		}
		entry, next := data, int64(binary.LittleEndian.Uint32(data[processNext:]))
		if next != 0 {
			if next < int64(l.length) || next > int64(len(data)) {
				return nil, fmt.Errorf("a process %d bytes behind another in the system's list", next)
			}
			entry = data[:next]
		}
		p, err := l.process(entry, base)
		if err != nil {
			return nil, err
		}
		if list = append(list, p); next == 0 {
			return list, nil
		}
		data, base = data[next:], base+uint64(next)
	}
}

// process decodes one entry of the list, which is long enough without threads.
func (l *processLayout) process(entry []byte, base uint64) (systemProcess, error) {
	p := systemProcess{
		pid:     processID(l.word(entry[l.pid:])),
		parent:  processID(l.word(entry[l.parent:])),
		created: fileTime(binary.LittleEndian.Uint64(entry[processCreated:])),
		name:    l.text(entry, base),
	}
	if p.pid == 0 {
		p.name = "System Idle Process"
	}
	count, threads := binary.LittleEndian.Uint32(entry[processThreads:]), entry[l.length:]
	if uint64(len(threads)) < uint64(count)*uint64(l.threadLength) {
		return systemProcess{}, fmt.Errorf("process %d has %d threads in %d bytes", p.pid, count, len(threads))
	}
	for range count {
		p.threads = append(p.threads, systemThread{
			id:         uint32(l.word(threads[l.threadID:])),
			state:      binary.LittleEndian.Uint32(threads[l.state:]),
			waitReason: binary.LittleEndian.Uint32(threads[l.waitReason:]),
		})
		threads = threads[l.threadLength:]
	}
	return p, nil
}

// text is the process's name, "" if it is not where the entry is.
func (l *processLayout) text(entry []byte, base uint64) string {
	length := uint64(binary.LittleEndian.Uint16(entry[processNameLength:]))
	start := l.word(entry[l.name:]) - base
	if start > uint64(len(entry)) || length > uint64(len(entry))-start {
		return ""
	}
	return utf16Text(entry[start : start+length])
}

func (l *processLayout) word(b []byte) uint64 {
	if l.pointer == 4 {
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// unicodeString decodes a UNICODE_STRING at the beginning of memory at address
// base, and its text somewhere behind. It is not ok if the text is elsewhere.
func unicodeString(data []byte, base uint64) (string, bool) {
	l := nativeProcessLayout()
	if len(data) < 2*l.pointer {
		return "", false
	}
	length, start := uint64(binary.LittleEndian.Uint16(data)), l.word(data[l.pointer:])-base
	if start > uint64(len(data)) || length > uint64(len(data))-start {
		return "", length == 0
	}
	return utf16Text(data[start : start+length]), true
}

// moduleName reads a TCPIP_OWNER_MODULE_BASIC_INFO (iprtrmib.h) at the beginning
// of memory at address base: a pointer to the name, which ends with a NUL, and
// one to its path. It is "" if the name is not in that memory.
func moduleName(data []byte, base uint64) string {
	l := nativeProcessLayout()
	if len(data) < 2*l.pointer {
		return ""
	}
	start := l.word(data) - base
	if start < uint64(2*l.pointer) || start > uint64(len(data)) {
		return ""
	}
	return utf16Text(data[start:])
}

// utf16Text decodes little-endian UTF-16, up to a NUL.
func utf16Text(b []byte) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		unit := binary.LittleEndian.Uint16(b)
		if unit == 0 {
			break
		}
		units = append(units, unit)
	}
	return string(utf16.Decode(units))
}

// state tells whether the process runs. It is stopped only when every one of
// its threads is suspended; "" if the list does not tell, as under Wine, where
// all threads are in state 0.
func (p *systemProcess) state() ProcessState {
	told, suspended := false, len(p.threads) > 0
	for _, t := range p.threads {
		told = told || t.state != 0 || t.waitReason != 0
		suspended = suspended && t.state == threadWaiting && t.waitReason == waitReasonSuspended
	}
	switch {
	case suspended:
		return Stopped
	case told:
		return Running
	}
	return ""
}
