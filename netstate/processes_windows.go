package netstate

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	ntdll                        = windows.NewLazySystemDLL("ntdll.dll")
	procNtQueryInformationThread = ntdll.NewProc("NtQueryInformationThread")
)

// threadSuspendCount is ThreadSuspendCount of THREADINFOCLASS (Windows 8.1).
const threadSuspendCount = 35

// processes lists all processes, with one call.
func (windowsCalls) processes() (processTree, error) {
	size := uint32(512 << 10)
	for range 8 {
		buffer := make([]byte, size)
		var length uint32
		err := windows.NtQuerySystemInformation(windows.SystemProcessInformation, unsafe.Pointer(&buffer[0]), size, &length)
		if err == windows.STATUS_INFO_LENGTH_MISMATCH {
			size = max(size, length) + size/4 // for those that appear meanwhile
			continue
		}
		if err != nil {
			return nil, os.NewSyscallError("NtQuerySystemInformation", err)
		}
		base := uint64(uintptr(unsafe.Pointer(&buffer[0])))
		list, err := nativeProcessLayout().decode(buffer[:min(length, size)], base)
		if err != nil {
			return nil, err
		}
		return newProcessTree(list), nil
	}
	return nil, errTableGrows
}

// facts returns the first refusal, and fills in the other facts all the same.
func (windowsCalls) facts(p *Process) error {
	handle, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(p.PID))
	if err != nil {
		return os.NewSyscallError("OpenProcess", err)
	}
	defer windows.CloseHandle(handle)
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	p.Exe, err = executable(handle)
	note(err)
	p.Command, err = commandLine(handle)
	note(err)
	p.User, err = processUser(handle)
	note(err)
	return first
}

func executable(process windows.Handle) (string, error) {
	buffer := make([]uint16, windows.MAX_LONG_PATH)
	size := uint32(len(buffer))
	if err := windows.QueryFullProcessImageName(process, 0, &buffer[0], &size); err != nil {
		return "", os.NewSyscallError("QueryFullProcessImageName", err)
	}
	return windows.UTF16ToString(buffer[:min(size, uint32(len(buffer)))]), nil
}

// commandLine splits what the process was started with as its C library would.
// ProcessCommandLineInformation (Windows 8.1) is a UNICODE_STRING with its text
// behind it.
func commandLine(process windows.Handle) ([]string, error) {
	size := uint32(4 << 10)
	for range 4 {
		buffer := make([]byte, size)
		err := windows.NtQueryInformationProcess(process, windows.ProcessCommandLineInformation, unsafe.Pointer(&buffer[0]), size, &size)
		if err == windows.STATUS_INFO_LENGTH_MISMATCH && size > uint32(len(buffer)) {
			continue
		}
		if err != nil {
			return nil, os.NewSyscallError("NtQueryInformationProcess", err)
		}
		text, ok := unicodeString(buffer, uint64(uintptr(unsafe.Pointer(&buffer[0]))))
		if !ok {
			return nil, fmt.Errorf("NtQueryInformationProcess returned no text")
		}
		return windows.DecomposeCommandLine(text)
	}
	return nil, errTableGrows
}

func processUser(process windows.Handle) (string, error) {
	var token windows.Token
	if err := windows.OpenProcessToken(process, windows.TOKEN_QUERY, &token); err != nil {
		return "", os.NewSyscallError("OpenProcessToken", err)
	}
	defer token.Close()
	return tokenUser(token)
}

// tokenUser is the user's name with its domain or machine, or the SID of one
// who has no name.
func tokenUser(token windows.Token) (string, error) {
	user, err := token.GetTokenUser()
	if err != nil {
		return "", os.NewSyscallError("GetTokenInformation", err)
	}
	account, domain, _, err := user.User.Sid.LookupAccount("")
	if err != nil {
		return user.User.Sid.String(), nil
	}
	if domain == "" {
		return account, nil
	}
	return domain + `\` + account, nil
}

// suspended asks each thread how often it was suspended, for a system whose
// list of processes does not tell. A thread that may not be asked, or is gone,
// leaves the state open.
func (windowsCalls) suspended(p *systemProcess) ProcessState {
	if len(p.threads) == 0 || procNtQueryInformationThread.Find() != nil {
		return ""
	}
	for _, thread := range p.threads {
		switch count, ok := suspendCount(thread.id); {
		case !ok:
			return ""
		case count == 0:
			return Running
		}
	}
	return Stopped
}

func suspendCount(thread uint32) (uint32, bool) {
	handle, err := windows.OpenThread(windows.THREAD_QUERY_LIMITED_INFORMATION, false, thread)
	if err != nil {
		return 0, false
	}
	defer windows.CloseHandle(handle)
	var count uint32
	status, _, _ := procNtQueryInformationThread.Call(uintptr(handle), threadSuspendCount,
		uintptr(unsafe.Pointer(&count)), unsafe.Sizeof(count), 0)
	return count, windows.NTStatus(status) == windows.STATUS_SUCCESS
}
