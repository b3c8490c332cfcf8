package trace

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
)

// Address families as Linux numbers them (include/linux/socket.h).
const (
	familyUnix = 1
	familyIPv4 = 2
	familyIPv6 = 10
)

// sockaddr is a decoded socket address.
type sockaddr struct {
	local netip.AddrPort // of an Internet address
	path  string         // of a unix socket; "@" stands for the NUL of an abstract name
}

// decodeSockaddr decodes what a Linux program hands to bind(2): the family in
// the byte order of the machine, then ip(7), ipv6(7) or unix(7). It returns
// false for other families, for what is too short, and for a unix address
// without a path, which makes the kernel choose a name.
func decodeSockaddr(b []byte) (sockaddr, bool) {
	if len(b) < 2 {
		return sockaddr{}, false
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == familyIPv4 && len(b) >= 16:
		return internet(netip.AddrFrom4([4]byte(b[4:8])), b), true
	case family == familyIPv6 && len(b) >= 24:
		address := netip.AddrFrom16([16]byte(b[8:24]))
		if len(b) >= 28 && address.IsLinkLocalUnicast() {
			if zone := binary.NativeEndian.Uint32(b[24:]); zone != 0 {
				address = address.WithZone(strconv.FormatUint(uint64(zone), 10))
			}
		}
		return internet(address, b), true
	case family == familyUnix && len(b) > 2:
		return sockaddr{path: unixPath(b[2:])}, true
	}
	return sockaddr{}, false
}

func internet(address netip.Addr, b []byte) sockaddr {
	return sockaddr{local: netip.AddrPortFrom(address, binary.BigEndian.Uint16(b[2:]))}
}

// unixPath is a path up to its NUL, or an abstract name, which has no end but
// that of the address.
func unixPath(b []byte) string {
	if b[0] == 0 {
		return "@" + string(b[1:])
	}
	path, _, _ := bytes.Cut(b, []byte{0})
	return string(path)
}
