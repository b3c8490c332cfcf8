package netstate

import (
	"encoding/binary"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

// listBase is the address that a list is built for.
const listBase = 0x7f000000

// build makes the list of processes that a system would write to memory at
// listBase.
func (l *processLayout) build(list ...systemProcess) []byte {
	var data []byte
	for i, p := range list {
		entry := l.entry(p, listBase+uint64(len(data)))
		if i < len(list)-1 {
			binary.LittleEndian.PutUint32(entry[processNext:], uint32(len(entry)))
		}
		data = append(data, entry...)
	}
	return data
}

func (l *processLayout) entry(p systemProcess, base uint64) []byte {
	entry := make([]byte, l.length+len(p.threads)*l.threadLength)
	name := utf16Bytes(p.name)
	binary.LittleEndian.PutUint32(entry[processThreads:], uint32(len(p.threads)))
	if !p.created.IsZero() {
		binary.LittleEndian.PutUint64(entry[processCreated:], uint64(p.created.Unix()+fileTimeUnix)*fileTimeSecond)
	}
	binary.LittleEndian.PutUint16(entry[processNameLength:], uint16(len(name)))
	l.putWord(entry[l.name:], base+uint64(len(entry)))
	l.putWord(entry[l.pid:], uint64(p.pid))
	l.putWord(entry[l.parent:], uint64(p.parent))
	for i, thread := range p.threads {
		b := entry[l.length+i*l.threadLength:]
		l.putWord(b[l.threadID:], uint64(thread.id))
		binary.LittleEndian.PutUint32(b[l.state:], thread.state)
		binary.LittleEndian.PutUint32(b[l.waitReason:], thread.waitReason)
	}
	entry = append(entry, name...)
	return append(entry, make([]byte, -len(entry)&7)...)
}

func (l *processLayout) putWord(b []byte, word uint64) {
	if l.pointer == 4 {
		binary.LittleEndian.PutUint32(b, uint32(word))
		return
	}
	binary.LittleEndian.PutUint64(b, word)
}

func utf16Bytes(text string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}

var processLayouts = map[string]*processLayout{"64 bits": &processLayout64, "32 bits": &processLayout32}

func TestDecodeProcesses(t *testing.T) {
	want := []systemProcess{
		{pid: 0, name: "System Idle Process", threads: []systemThread{{}}},
		{pid: 4, name: "System", created: aMoment},
		{pid: 4711, parent: 4, name: "sérver.exe", created: aMoment, threads: []systemThread{{12, 5, 5}, {16, 5, 6}}},
	}
	for name, layout := range processLayouts {
		t.Run(name, func(t *testing.T) {
			got, err := layout.decode(layout.build(want...), listBase)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(systemProcess{}, systemThread{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeProcessesIsCareful(t *testing.T) {
	list := []systemProcess{{pid: 4, name: "System"}, {pid: 8, name: "b.exe", threads: make([]systemThread, 2)}}
	for name, l := range processLayouts {
		t.Run(name, func(t *testing.T) {
			whole := l.build(list...)
			second := int(binary.LittleEndian.Uint32(whole))
			for length := range whole {
				got, err := l.decode(whole[:length], listBase)
				if err == nil && length < second+l.length+2*l.threadLength {
					t.Errorf("%d of %d bytes are %d processes", length, len(whole), len(got))
				}
			}
			damage := map[string]func(b []byte){
				"an entry inside another":  func(b []byte) { b[processNext]--; b[processNext+1] = 0 },
				"an entry behind the end":  func(b []byte) { b[processNext+3] = 0x7f },
				"more threads than fit":    func(b []byte) { b[second+processThreads] = 3 },
				"threads by the thousands": func(b []byte) { b[second+processThreads+3] = 0xff },
			}
			for name, damage := range damage {
				b := append([]byte(nil), whole...)
				if damage(b); damagedRead(l, b) == nil {
					t.Errorf("%s: no error", name)
				}
			}
			b := append([]byte(nil), whole...)
			l.putWord(b[l.name:], listBase-8)
			if got, err := l.decode(b, listBase); err != nil || got[0].name != "" {
				t.Errorf("a name outside: %v, %v", got, err)
			}
		})
	}
}

func damagedRead(l *processLayout, data []byte) error {
	_, err := l.decode(data, listBase)
	return err
}

func FuzzProcesses(f *testing.F) {
	for _, l := range processLayouts {
		f.Add(l.build(systemProcess{pid: 4, name: "System"}, systemProcess{pid: 8, name: "b", threads: make([]systemThread, 2)}))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, l := range processLayouts {
			list, err := l.decode(data, listBase)
			if err == nil && len(list) == 0 {
				t.Error("no process and no error")
			}
			for _, p := range list {
				if p.pid < 0 || p.parent < 0 || p.created.Year() > 9999 {
					t.Errorf("%+v", p)
				}
			}
		}
		moduleName(data, listBase)
		unicodeString(data, listBase)
	})
}

func TestProcessState(t *testing.T) {
	suspended, waiting, unknown := systemThread{1, 5, 5}, systemThread{2, 5, 6}, systemThread{id: 3}
	tests := map[string]struct {
		threads []systemThread
		want    ProcessState
	}{
		"all threads suspended": {[]systemThread{suspended, suspended}, Stopped},
		"one thread not":        {[]systemThread{suspended, waiting}, Running},
		"running":               {[]systemThread{{4, 2, 0}}, Running},
		// "Suspended" is a number that matters only of a thread that waits.
		"ready after it was suspended": {[]systemThread{{4, 1, 5}}, Running},
		"not told":                     {[]systemThread{unknown, unknown}, ""},
		"no threads":                   {nil, ""},
	}
	for name, test := range tests {
		p := systemProcess{threads: test.threads}
		if got := p.state(); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestTextBehindPointer(t *testing.T) {
	l, text := nativeProcessLayout(), utf16Bytes("Dnscache\x00C:\\x.dll\x00")
	header := make([]byte, 2*l.pointer)
	binary.LittleEndian.PutUint16(header, uint16(len(text)))
	l.putWord(header[l.pointer:], listBase+uint64(len(header)))
	data := append(header, text...)
	if got, ok := unicodeString(data, listBase); got != "Dnscache" || !ok {
		t.Errorf("UNICODE_STRING: %q, %v", got, ok)
	}
	for _, short := range []int{0, l.pointer, len(header), len(data) - 1} {
		if got, ok := unicodeString(data[:short], listBase); ok {
			t.Errorf("%d bytes of it: %q", short, got)
		}
	}
	l.putWord(data, listBase+uint64(len(header)))
	if got := moduleName(data, listBase); got != "Dnscache" {
		t.Errorf("module: %q", got)
	}
	if got := moduleName(data, listBase+uint64(len(data))+1); got != "" {
		t.Errorf("module elsewhere: %q", got)
	}
}
