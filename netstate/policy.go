package netstate

import "net/netip"

// Policy is what the system lets the reader bind, apart from what is taken.
// Nil fields could not be read.
type Policy struct {
	// UID is the user id that a socket made by the reader would have.
	UID *uint32 `json:"uid,omitempty"`
	// BindPrivileged tells whether the reader may bind ports below
	// UnprivilegedPortStart (CAP_NET_BIND_SERVICE on Linux).
	BindPrivileged        *bool `json:"bind_privileged,omitempty"`
	UnprivilegedPortStart *int  `json:"unprivileged_port_start,omitempty"`
	// EphemeralPorts is the range that port 0 and connect(2) draw from;
	// ReservedPorts are left out of it.
	EphemeralPorts *PortRange  `json:"ephemeral_ports,omitempty"`
	ReservedPorts  []PortRange `json:"reserved_ports,omitempty"`
	// ExcludedPorts can't be bound at all (Windows), by network.
	ExcludedPorts map[Network][]PortRange `json:"excluded_ports,omitempty"`
	// BindV6Only is the default of IPV6_V6ONLY (net.ipv6.bindv6only).
	BindV6Only *bool `json:"bind_v6only,omitempty"`
	// NonlocalBind4 and NonlocalBind6 allow addresses that are not local.
	NonlocalBind4 *bool `json:"nonlocal_bind4,omitempty"`
	NonlocalBind6 *bool `json:"nonlocal_bind6,omitempty"`
	// TimeWait is for how long a connection stays in TIME_WAIT, in
	// milliseconds, where the system lets that be set (twice
	// net.inet.tcp.msl).
	TimeWait *int64 `json:"time_wait_ms,omitempty"`
	// AutobindReuse is net.ipv4.ip_autobind_reuse.
	AutobindReuse *bool `json:"autobind_reuse,omitempty"`
	// IPv4 and IPv6 tell whether a socket of the family can be made.
	IPv4 *bool `json:"ipv4,omitempty"`
	IPv6 *bool `json:"ipv6,omitempty"`
	// IPv6Disabled is net.ipv6.conf.all.disable_ipv6: sockets can be made,
	// and no interface has an address.
	IPv6Disabled *bool `json:"ipv6_disabled,omitempty"`
	// Addresses are those of the interfaces that the reader sees.
	Addresses []InterfaceAddress `json:"addresses,omitempty"`
}

// PortRange is a range of ports, both ends included.
type PortRange struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

// Contains tells whether port is in the range.
func (r PortRange) Contains(port uint16) bool { return r.First <= port && port <= r.Last }

// InterfaceAddress is an address of an interface, with its prefix length.
type InterfaceAddress struct {
	Interface string       `json:"interface"`
	Index     int          `json:"index,omitempty"`
	Prefix    netip.Prefix `json:"prefix"`
	// Broadcast is the interface's IPv4 broadcast address, if it has one.
	Broadcast netip.Addr `json:"broadcast,omitzero"`
	// Tentative is an IPv6 address that can't be bound yet: the system still
	// looks whether another machine has it, or found that one has.
	Tentative bool `json:"tentative,omitempty"`
}

// BindRequest is a bind(2) that a program would make.
type BindRequest struct {
	Network Network `json:"network"`
	// Address may have a zone; "0.0.0.0" and "::" are the wildcards.
	Address   netip.Addr `json:"address"`
	Port      uint16     `json:"port"`
	ReuseAddr bool       `json:"reuseaddr,omitempty"`
	ReusePort bool       `json:"reuseport,omitempty"`
	// ReusePortLB is SO_REUSEPORT_LB (FreeBSD).
	ReusePortLB bool `json:"reuseport_lb,omitempty"`
	// V6Only is IPV6_V6ONLY of an IPv6 socket.
	V6Only bool `json:"v6only,omitempty"`
	// Exclusive is SO_EXCLUSIVEADDRUSE (Windows).
	Exclusive bool `json:"exclusive,omitempty"`
	// Device is SO_BINDTODEVICE, "" for none.
	Device string `json:"device,omitempty"`
	// FreeBind is IP_FREEBIND or IP_TRANSPARENT: the address need not be
	// local (Linux).
	FreeBind bool `json:"freebind,omitempty"`
	// UID is the user whose socket it is; nil for [Policy.UID].
	UID *uint32 `json:"uid,omitempty"`
}

// BindOutcome is what the system answered to a bind that was really made and
// undone at once.
type BindOutcome struct {
	Request BindRequest `json:"request"`
	// Result is "ok" or the name of an errno, as "EADDRINUSE".
	Result string `json:"result"`
}

// EphemeralUse says how much of the ephemeral range is taken. A snapshot has
// that of one network, TCP if the query asks for both.
type EphemeralUse struct {
	Network Network `json:"network"`
	// Available is the number of ports in the range that are not reserved;
	// Used how many of them some socket has.
	Available int `json:"available"`
	Used      int `json:"used"`
}
