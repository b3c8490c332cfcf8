package errortext

// Kind is what a bind failed with.
type Kind string

// The kinds. Their names are part of the command line's contract.
const (
	// AddrInUse is EADDRINUSE for an Internet address.
	AddrInUse Kind = "addrinuse"
	// Acces is EACCES: a privileged, excluded or exclusive port.
	Acces Kind = "acces"
	// AddrNotAvail is EADDRNOTAVAIL: the address is not on this machine, or
	// a connect found no free source port.
	AddrNotAvail Kind = "addrnotavail"
	// InUseUnix is EADDRINUSE for a unix socket.
	InUseUnix Kind = "inuse-unix"
)

// Op is the call that failed.
type Op string

// The operations. The address of a failed Connect is the remote one.
const (
	Bind    Op = "bind"
	Listen  Op = "listen"
	Connect Op = "connect"
)

// Failure is one failed bind, listen or connect that a text tells of.
type Failure struct {
	Kind Kind `json:"kind"`
	// Network is "tcp", "udp" or "unix"; "tcp" where the text does not say.
	Network string `json:"network"`
	// Address is an IP address, "*" or a host name as stated; "" if none is.
	Address string `json:"address"`
	// Port is nil when none is stated.
	Port *uint16 `json:"port"`
	// Path is a unix socket's path or "@" and an abstract name; else "".
	Path string `json:"path"`
	Op   Op     `json:"op"`
	// Line counts from 1.
	Line int `json:"line"`
	// Text is the line, without control characters and terminal escapes and
	// no longer than 400 bytes.
	Text string `json:"text"`
	// Repeat is 0 for the first time, and n when the same failure has been
	// reported n times before: a retry.
	Repeat int `json:"repeat,omitempty"`
}
