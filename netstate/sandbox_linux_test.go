package netstate

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

// dropCapabilities takes every capability from the calling goroutine's
// thread: its user id 0 means nothing then, to files and to ports.
func dropCapabilities() {
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	must(unix.Capset(&header, &none[0]))
}

// refuseSockets makes socket(2) fail with errno for a family, for the rest of
// this process's life.
func refuseSockets(family int, errno syscall.Errno) {
	const (
		load    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equals  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		results = unix.BPF_RET | unix.BPF_K
	)
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // struct seccomp_data: nr
		{Code: equals, K: unix.SYS_SOCKET, Jf: 3},
		{Code: load, K: 16}, // args[0], on a little-endian machine
		{Code: equals, K: uint32(family), Jf: 1},
		{Code: results, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: results, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	must(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	_, _, failure := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if failure != 0 {
		panic(failure)
	}
}

// needsSocketFilter skips a test that calls refuseSockets where a filter can't
// see the family: Go makes all socket calls by socketcall(2) on 386, whose
// arguments are in memory.
func needsSocketFilter(t *testing.T) {
	t.Helper()
	if runtime.GOARCH == "386" {
		t.Skip("a seccomp filter does not see the arguments of socketcall(2)")
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// printJSON is how a role answers.
func printJSON(value any) { must(json.NewEncoder(os.Stdout).Encode(value)) }

// ask runs a role and decodes the line that it prints.
func ask[T any](t *testing.T, command *exec.Cmd) T {
	t.Helper()
	_, line := netstatetest.Run(t, command)
	var answer T
	if err := json.Unmarshal([]byte(line), &answer); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return answer
}
