package diagnose

import (
	"net/netip"

	"portdoc/netstate"
)

// Question is what a person asks of a snapshot.
type Question struct {
	Network netstate.Network
	// Address is the one address asked about; the zero Addr asks about both
	// wildcards, 0.0.0.0 and dual-stack [::]. Unused for unix sockets.
	Address netip.Addr
	// Host is the host name that was asked about, "" for none. Addresses are
	// then all those it stands for, and Address is the first of them.
	Host      string
	Addresses []netip.Addr
	// Port 0 asks for any ephemeral port.
	Port uint16
	// Path is a unix socket's path, or "@" and an abstract name.
	Path string
	// ReuseAddr, ReusePort and V6Only are what the program that will bind
	// sets on its socket.
	ReuseAddr, ReusePort, V6Only bool
	// AllSockets keeps every row instead of folding ownerless ones.
	AllSockets bool
	// Typed is the target as the person wrote it, for suggested commands;
	// "" is made up from the other fields.
	Typed string
}
