package netstate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/windows"
)

// readPolicy fills in what the system lets this process bind, and who the
// process is. What can't be read is nil, and a limit.
func readPolicy(ctx context.Context, s *Snapshot) {
	version := windows.RtlGetVersion()
	s.Host.Release = fmt.Sprintf("%d.%d.%d", version.MajorVersion, version.MinorVersion, version.BuildNumber)
	token := windows.GetCurrentProcessToken()
	s.Host.Privileged = token.IsElevated()
	s.Host.User, _ = tokenUser(token)
	s.Policy.IPv4 = familyAvailable(s, windows.AF_INET, "IPv4")
	s.Policy.IPv6 = familyAvailable(s, windows.AF_INET6, "IPv6")
	var err error
	s.Policy.Addresses, err = readAddresses()
	s.missing(LimitPolicy, "the addresses of the interfaces", err)
	readPortPolicy(ctx, s)
}

// missing says that something could not be read, if there is an error.
func (s *Snapshot) missing(kind LimitKind, what string, err error) {
	if err != nil {
		s.Limits = append(s.Limits, Limit{Kind: kind, What: what, Why: "reading it failed: " + err.Error()})
	}
}

// readPortPolicy asks netsh about the ports of the networks that the query is
// about, all at once: each netsh takes a tenth of a second.
func readPortPolicy(ctx context.Context, s *Snapshot) {
	queries := portQueries(s.Query)
	if len(queries) == 0 {
		return
	}
	excluded, failures := make([][]PortRange, len(queries)), make([]error, len(queries))
	var wait sync.WaitGroup
	for i, query := range queries {
		wait.Go(func() { excluded[i], failures[i] = readExcludedPorts(ctx, query.network) })
	}
	dynamic, err := readDynamicPorts(ctx, queries[0].network)
	s.Policy.EphemeralPorts = dynamic
	s.missing(LimitPolicy, "the range of ports that port 0 and outgoing connections get", err)
	wait.Wait()
	s.Policy.ExcludedPorts = make(map[Network][]PortRange)
	for i, query := range queries {
		s.missing(LimitPolicy, "the "+string(query.network)+" ports that the system has excluded", failures[i])
		if failures[i] == nil {
			s.Policy.ExcludedPorts[query.network] = excluded[i]
		}
	}
}

// familyAvailable tells whether a socket of a family can be made.
func familyAvailable(s *Snapshot, family int32, name string) *bool {
	if err := startWinsock(); err != nil {
		s.missing(LimitPolicy, "whether there is "+name, os.NewSyscallError("WSAStartup", err))
		return nil
	}
	socket, err := windows.WSASocket(family, windows.SOCK_STREAM, windows.IPPROTO_TCP, nil, 0, windows.WSA_FLAG_NO_HANDLE_INHERIT)
	available := err == nil
	if available {
		windows.Closesocket(socket)
	} else if !errors.Is(err, windows.WSAEAFNOSUPPORT) {
		s.missing(LimitPolicy, "whether there is "+name, os.NewSyscallError("WSASocket", err))
		return nil
	}
	return &available
}
