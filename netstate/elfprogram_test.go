package netstate

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadELF compares with debug/elf, on a program of this system and on this
// test, which needs nothing.
func TestReadELF(t *testing.T) {
	for _, name := range []string{"/bin/sleep", "/bin/sh", "/proc/self/exe"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Log(err) // of systems without it; one is always there
			continue
		}
		theirs, err := elf.NewFile(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		ours, err := readELF(bytes.NewReader(text), 1<<30)
		if theirs.Class != elf.ELFCLASS64 {
			if !errors.Is(err, errNoELF) {
				t.Errorf("%s is a 32-bit program: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		libraries, err := theirs.ImportedLibraries()
		if needed, err2 := ours.needed(); err != nil || err2 != nil || !slices.Equal(libraries, needed) {
			t.Errorf("%s needs %v (%v), want %v (%v)", name, needed, err2, libraries, err)
		}
		symbols, _ := theirs.ImportedSymbols()
		imported, err := ours.imported()
		for _, symbol := range symbols {
			if !slices.Contains(imported, symbol.Name) {
				t.Errorf("%s takes %s (%v)", name, symbol.Name, err)
			}
		}
		if diff := cmp.Diff(codeOf(theirs), ours.code, cmp.AllowUnexported(elfRange{})); diff != "" {
			t.Errorf("code of %s (-want +got):\n%s", name, diff)
		}
	}
}

func codeOf(file *elf.File) []elfRange {
	var code []elfRange
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 {
			code = append(code, elfRange{p.Off, p.Filesz})
		}
	}
	return code
}

func FuzzELF(f *testing.F) {
	if text, err := os.ReadFile("/bin/sleep"); err == nil {
		f.Add(text)
	}
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Fuzz(func(t *testing.T, text []byte) {
		programCanListen(bytes.NewReader(text))
		if file, err := readELF(bytes.NewReader(text), 1<<20); err == nil {
			file.needed()
			file.imported()
		}
	})
}
