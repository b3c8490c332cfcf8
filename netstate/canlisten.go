package netstate

import (
	"bytes"
	"encoding/binary"
	"io"
	"path"
	"slices"
	"strings"
)

// mostProgramBytes bounds what is read of another process's executable. The
// programs in question are small.
const mostProgramBytes = 512 << 10

// programCanListen is false for a program that is shown not to call listen(2):
// one that takes all its system calls from the C library, and neither those
// that make a socket listen nor any way to other calls or code. Programs with
// system calls of their own (Go, some Rust) have the instruction in their code.
// It is nil where nothing can be shown, and never true.
//
// It says nothing about what was preloaded into a process: see
// [onlyHarmlessCode].
func programCanListen(program io.ReaderAt) *bool {
	file, err := readELF(program, mostProgramBytes)
	if err != nil {
		return nil
	}
	needed, err := file.needed()
	if err != nil || !slices.ContainsFunc(needed, isLibc) || slices.ContainsFunc(needed, mayListen) {
		return nil
	}
	imported, err := file.imported()
	if err != nil || len(imported) == 0 || slices.ContainsFunc(imported, isWayToListen) {
		return nil
	}
	if slices.ContainsFunc(file.code, file.mayCallSystem) {
		return nil
	}
	return new(false)
}

// mayCallSystem tells whether code has the instruction of a system call, or
// might have it: bytes within other instructions count too.
func (p *elfProgram) mayCallSystem(at elfRange) bool {
	code, err := p.read(at)
	if err != nil {
		return true
	}
	switch p.machine {
	case elfMachineX86:
		return bytes.Contains(code, []byte{0x0f, 0x05}) // syscall
	case elfMachineAArch64:
		for ; len(code) >= 4; code = code[4:] {
			if binary.LittleEndian.Uint32(code)&0xffe0001f == 0xd4000001 { // svc
				return true
			}
		}
		return false
	}
	return true
}

// waysToListen are symbols whose import leaves the question open.
var waysToListen = []string{
	"socket", "bind", "listen", "syscall", "dlopen", "dlmopen", "dlsym", "__libc_dlopen_mode",
}

// harmlessLibraries are libraries that never listen by themselves, by the start
// of their names up to "." or "-". The C library does when it is told to.
var harmlessLibraries = []string{
	"libc", "libm", "libpthread", "libdl", "librt", "ld-linux", "ld-musl", "ld64", "ld", "linux-vdso",
	"libgcc_s", "libselinux", "libcap", "libacl", "libattr", "libpcre2-8", "libpcre", "libtinfo",
	"libncursesw", "libncurses", "libreadline", "libz", "libgmp", "libnss_files",
}

func mayListen(library string) bool {
	return !slices.ContainsFunc(harmlessLibraries, func(name string) bool {
		rest, ok := strings.CutPrefix(path.Base(library), name)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '-')
	})
}

func isWayToListen(symbol string) bool { return slices.Contains(waysToListen, symbol) }

func isLibc(library string) bool {
	return strings.HasPrefix(library, "libc.so") || strings.HasPrefix(library, "libc.musl")
}

// onlyHarmlessCode tells whether a process has no code mapped but that of its
// program and of libraries that never listen. maps is the text of
// /proc/PID/maps, program the path of the executable.
func onlyHarmlessCode(maps, program string) bool {
	files, ok := parseExecutableMaps(maps)
	return ok && !slices.ContainsFunc(files, func(file string) bool {
		path, _ := parseExecutable(file)
		return path != program && mayListen(path)
	})
}

// parseExecutableMaps finds the files whose code a process has mapped, in
// /proc/PID/maps (proc_pid_maps(5)): columns are the addresses, permissions,
// offset, device, inode and perhaps a path. It is false if there is code that
// is in no file, apart from the kernel's own pages.
func parseExecutableMaps(maps string) (files []string, ok bool) {
	for line := range strings.Lines(maps) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			return nil, false
		}
		if !strings.Contains(fields[1], "x") {
			continue
		}
		_, file, found := strings.Cut(strings.TrimSuffix(line, "\n"), "/")
		switch {
		case found:
			files = append(files, "/"+file)
		case len(fields) == 6 && (fields[5] == "[vdso]" || fields[5] == "[vsyscall]"):
		default:
			return nil, false
		}
	}
	return files, true
}
