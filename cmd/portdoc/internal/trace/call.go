package trace

import (
	"errors"
	"net/netip"
)

// ErrUnsupported is returned where system calls can't be watched.
var ErrUnsupported = errors.New("system calls can't be watched here")

// errUnseen is why a call of some containers can't be looked at.
var errUnseen = errors.New("a process is in a PID namespace that can't be seen from here")

// Op is a system call.
type Op string

// The operations.
const (
	Bind    Op = "bind"
	Listen  Op = "listen"
	Connect Op = "connect"
)

// Call is one call of bind, listen or connect.
type Call struct {
	Op Op
	// PID is the process, as this process sees it; Program the name under
	// which it was started.
	PID     int
	Program string
	// UID is its effective user id; BindPrivileged tells whether it has
	// CAP_NET_BIND_SERVICE.
	UID            uint32
	BindPrivileged bool
	// Network is "tcp", "udp" or "unix".
	Network string
	// Local is the address that is asked for; for a listen the one that the
	// socket has, for a connect the source address that it was to have. It is
	// zero for a unix socket.
	Local netip.AddrPort
	// Remote is the address that a connect asks for.
	Remote netip.AddrPort
	// NoAddress tells that a connect found no address of this machine to come
	// from; one that fails otherwise found no port.
	NoAddress bool
	// FirstPort and LastPort are what the program limits the source ports of
	// a connect to (IP_LOCAL_PORT_RANGE), 0 where it does not.
	FirstPort, LastPort uint16
	// Path is a unix socket's absolute path, or "@" and an abstract name.
	Path string
	// Socket is the socket's inode number, unique on this machine.
	Socket uint64
	// The options are those that the program has set on the socket.
	ReuseAddr, ReusePort, V6Only bool
	// Transparent stands for IP_FREEBIND and IP_TRANSPARENT.
	Transparent bool
	Device      string
	// OtherNetwork tells that the socket is in another network namespace,
	// OtherFiles that the path is in another mount namespace or root.
	OtherNetwork, OtherFiles bool
}

// Handler is told of calls. Its functions are called from several goroutines
// at once, but for connects in their order.
type Handler struct {
	// Held is called before a call is made: the caller waits for it, so what
	// it sees is what the call will find. After the time of [HoldLimit] the
	// call is made all the same.
	Held func(*Call)
	// Ended is called with the same Call when it was made. Of the connects,
	// which are not held, it is told only those that failed because there was
	// no source port, or no source address.
	Ended func(call *Call, failed bool)
	// Blind is called when a call can't be looked at and was let through.
	Blind func(error)
}
