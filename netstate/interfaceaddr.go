package netstate

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
)

// The layout is that of Linux, include/uapi/linux/if_addr.h.
const (
	ifaddrHeaderSize = 8

	ifaddrAddress   = 1 // of the peer, on a point-to-point interface
	ifaddrLocal     = 2
	ifaddrBroadcast = 4
	ifaddrFlags     = 8 // 32 bits, of which the header has the low 8

	ifaddrOptimistic = 0x04
	ifaddrTentative  = 0x40
)

// ifaddrRequest asks for the addresses of all families (struct ifaddrmsg).
func ifaddrRequest() []byte { return make([]byte, ifaddrHeaderSize) }

// decodeIfaddr decodes a struct ifaddrmsg and the attributes after it. The
// interface has a number and no name yet.
func decodeIfaddr(message []byte) (InterfaceAddress, error) {
	if len(message) < ifaddrHeaderSize {
		return InterfaceAddress{}, fmt.Errorf("ifaddr message of %d bytes", len(message))
	}
	attributes, err := netlink.NewAttributeDecoder(message[ifaddrHeaderSize:])
	if err != nil {
		return InterfaceAddress{}, fmt.Errorf("ifaddr attributes: %w", err)
	}
	row := InterfaceAddress{Index: int(binary.NativeEndian.Uint32(message[4:]))}
	flags := uint32(message[2])
	var address, local netip.Addr
	for attributes.Next() {
		switch attributes.Type() {
		case ifaddrAddress:
			address, _ = netip.AddrFromSlice(attributes.Bytes())
		case ifaddrLocal:
			local, _ = netip.AddrFromSlice(attributes.Bytes())
		case ifaddrBroadcast:
			row.Broadcast, _ = netip.AddrFromSlice(attributes.Bytes())
		case ifaddrFlags:
			flags = attributes.Uint32()
		}
	}
	if err := attributes.Err(); err != nil {
		return InterfaceAddress{}, fmt.Errorf("ifaddr attributes: %w", err)
	}
	if !local.IsValid() { // IPv6 without a peer
		local = address
	}
	row.Prefix = netip.PrefixFrom(local, int(message[1]))
	if !row.Prefix.IsValid() {
		return InterfaceAddress{}, fmt.Errorf("ifaddr message with the address %v/%d", local, message[1])
	}
	row.Tentative = flags&ifaddrTentative != 0 && flags&ifaddrOptimistic == 0
	return row, nil
}

// sortAddresses orders addresses by interface, IPv4 first.
func sortAddresses(addresses []InterfaceAddress) {
	slices.SortFunc(addresses, func(a, b InterfaceAddress) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), a.Prefix.Compare(b.Prefix))
	})
}
