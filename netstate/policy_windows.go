package netstate

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// policy fills in who this process is, and what it can bind at all. What can't
// be read is nil, and a limit.
func (windowsCalls) policy(s *Snapshot) {
	version := windows.RtlGetVersion()
	s.Host.Release = fmt.Sprintf("%d.%d.%d", version.MajorVersion, version.MinorVersion, version.BuildNumber)
	token := windows.GetCurrentProcessToken()
	s.Host.Privileged = token.IsElevated()
	s.Host.User, _ = tokenUser(token)
	s.Policy.IPv4 = familyAvailable(s, windows.AF_INET, "IPv4")
	s.Policy.IPv6 = familyAvailable(s, windows.AF_INET6, "IPv6")
	var err error
	s.Policy.Addresses, err = readAddresses()
	s.limitPolicy("the addresses of the interfaces", err)
}

// familyAvailable tells whether a socket of a family can be made.
func familyAvailable(s *Snapshot, family int32, name string) *bool {
	if err := startWinsock(); err != nil {
		s.limitPolicy("whether there is "+name, os.NewSyscallError("WSAStartup", err))
		return nil
	}
	socket, err := windows.WSASocket(family, windows.SOCK_STREAM, windows.IPPROTO_TCP, nil, 0, windows.WSA_FLAG_NO_HANDLE_INHERIT)
	available := err == nil
	if available {
		windows.Closesocket(socket)
	} else if !errors.Is(err, windows.WSAEAFNOSUPPORT) {
		s.limitPolicy("whether there is "+name, os.NewSyscallError("WSASocket", err))
		return nil
	}
	return &available
}
