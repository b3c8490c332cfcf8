package netstate

import (
	"sync"
	"syscall"

	"golang.org/x/sys/windows"
)

// soExclusiveAddrUse is SO_EXCLUSIVEADDRUSE of winsock2.h: ~SO_REUSEADDR.
const soExclusiveAddrUse = ^windows.SO_REUSEADDR

// startWinsock makes sockets possible in this process (WSAStartup, version 2.2).
var startWinsock = sync.OnceValue(func() error {
	var data windows.WSAData
	return windows.WSAStartup(0x0202, &data)
})

// systemProber is what a [Prober] knows of this system: nothing.
type systemProber struct{}

// bindAndClose makes one bind. It returns false if there was none to make.
// SO_REUSEADDR is not tried: on Windows it lets a socket take the address of
// one that is in use, and which of them then gets the traffic is not defined.
// SO_REUSEPORT and SO_BINDTODEVICE do not exist.
func (systemProber) bindAndClose(r BindRequest) (result string, tried bool) {
	address, ok := socketAddress(r)
	if !ok || r.ReuseAddr || r.ReusePort || r.Device != "" || r.Network == Unix || startWinsock() != nil {
		return "", false
	}
	socket, err := probeSocket(r)
	if err != nil {
		return probeResult(err)
	}
	defer windows.Closesocket(socket)
	if setProbeOptions(socket, r) != nil {
		return "", false
	}
	return probeResult(windows.Bind(socket, address))
}

// winsockErrors are the names that other systems have for the errors.
var winsockErrors = map[syscall.Errno]string{
	windows.WSAEACCES:          "EACCES",
	windows.WSAEADDRINUSE:      "EADDRINUSE",
	windows.WSAEADDRNOTAVAIL:   "EADDRNOTAVAIL",
	windows.WSAEAFNOSUPPORT:    "EAFNOSUPPORT",
	windows.WSAEFAULT:          "EFAULT",
	windows.WSAEINVAL:          "EINVAL",
	windows.WSAENETDOWN:        "ENETDOWN",
	windows.WSAEPROTONOSUPPORT: "EPROTONOSUPPORT",
	syscall.EAFNOSUPPORT:       "EAFNOSUPPORT", // windows.SocketDisableIPv6
}

// probeResult names what a system call answered. That this process is short of
// something says nothing about the address.
func probeResult(err error) (string, bool) {
	if err == nil {
		return "ok", true
	}
	errno, _ := err.(syscall.Errno)
	name, known := winsockErrors[errno]
	return name, known
}

// probeSocket makes a socket that no other process inherits.
func probeSocket(r BindRequest) (windows.Handle, error) {
	family, kind, protocol := windows.AF_INET6, windows.SOCK_STREAM, windows.IPPROTO_TCP
	if r.Address.Is4() {
		family = windows.AF_INET
	}
	if r.Network == UDP {
		kind, protocol = windows.SOCK_DGRAM, windows.IPPROTO_UDP
	}
	return windows.WSASocket(int32(family), int32(kind), int32(protocol), nil, 0,
		windows.WSA_FLAG_OVERLAPPED|windows.WSA_FLAG_NO_HANDLE_INHERIT)
}

// setProbeOptions sets the options of the request and no others.
func setProbeOptions(socket windows.Handle, r BindRequest) error {
	if r.Exclusive {
		if err := windows.SetsockoptInt(socket, windows.SOL_SOCKET, soExclusiveAddrUse, 1); err != nil {
			return err
		}
	}
	if r.Address.Is4() {
		return nil
	}
	only := 0
	if r.V6Only {
		only = 1
	}
	return windows.SetsockoptInt(socket, windows.IPPROTO_IPV6, windows.IPV6_V6ONLY, only)
}

// socketAddress is the address to bind. It returns false for a zone that no
// interface has.
func socketAddress(r BindRequest) (windows.Sockaddr, bool) {
	if r.Address.Is4() {
		return &windows.SockaddrInet4{Port: int(r.Port), Addr: r.Address.As4()}, true
	}
	zone, ok := zoneIndex(r.Address.Zone())
	return &windows.SockaddrInet6{Port: int(r.Port), Addr: r.Address.As16(), ZoneId: zone}, ok && r.Address.IsValid()
}
