package netstate

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// lsofFields are those that are asked of lsof -F (lsof(8), "OUTPUT FOR OTHER
// PROGRAMS"): process, user, descriptor, type, device, protocol and name.
const lsofFields = "puftdPn"

// lsofFile is an internet socket that a process has open, as lsof shows it.
type lsofFile struct {
	pid     int
	uid     *uint32
	fd      int
	network Network
	family  Family
	// controlBlock is the device: the disguised kernel address of the
	// protocol's control block, which in the kernel's own list is inp_ppcb for
	// TCP and xi_inpp for UDP (dsock.c of lsof for Darwin; socket_info.c and
	// in_pcblist.c of xnu disguise addresses in one way). 0 for none.
	controlBlock  uint64
	local, remote netip.AddrPort
}

// parseLsof decodes the output of lsof -F. Each line is a field, named by its
// first byte; "p" begins a process and "f" one of its descriptors. Descriptors
// that are no internet sockets with a local port are left out.
func parseLsof(text string) ([]lsofFile, error) {
	var l lsofList
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			continue
		}
		if err := l.field(line[0], line[1:]); err != nil {
			return nil, err
		}
	}
	l.keep()
	return l.files, nil
}

// lsofList is a list that is being decoded.
type lsofList struct {
	files []lsofFile
	// process is what holds for all descriptors of the process, file the
	// descriptor whose fields are being read.
	process, file lsofFile
}

func (l *lsofList) keep() {
	if l.file.network != "" && l.file.local.Port() != 0 {
		l.files = append(l.files, l.file)
	}
}

func (l *lsofList) field(name byte, value string) error {
	switch name {
	case 'p':
		l.keep()
		pid, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return fmt.Errorf("lsof shows a process %q", value)
		}
		l.process = lsofFile{pid: int(pid), fd: -1}
		l.file = l.process
	case 'u':
		if uid, err := strconv.ParseUint(value, 10, 32); err == nil {
			l.process.uid = new(uint32(uid))
		}
	case 'f':
		l.keep()
		l.file = l.process
		if fd, err := strconv.ParseUint(value, 10, 31); err == nil { // not "cwd" and the like
			l.file.fd = int(fd)
		}
	default:
		l.file.setField(name, value)
	}
	return nil
}

// setField reads one of the fields of a descriptor; others are passed over.
func (f *lsofFile) setField(name byte, value string) {
	if f.pid == 0 || f.fd < 0 {
		return
	}
	switch name {
	case 't':
		f.family = map[string]Family{"IPv4": IPv4, "IPv6": IPv6}[value]
	case 'd':
		f.controlBlock, _ = strconv.ParseUint(strings.TrimPrefix(value, "0x"), 16, 64)
	case 'P':
		f.network = map[string]Network{"TCP": TCP, "UDP": UDP}[value]
	case 'n':
		local, remote, connected := strings.Cut(value, "->")
		f.local = parseLsofAddress(local)
		if connected {
			f.remote = parseLsofAddress(remote)
		}
	}
}

// parseLsofAddress reads "127.0.0.1:80", "[::1]:80" or "*:80". It is the zero
// AddrPort for what has no port, or is no address; a wildcard is that of IPv6.
func parseLsofAddress(text string) netip.AddrPort {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return netip.AddrPort{}
	}
	port, err := strconv.ParseUint(text[colon+1:], 10, 16)
	if err != nil {
		return netip.AddrPort{}
	}
	address := netip.IPv6Unspecified()
	if host := strings.TrimSuffix(strings.TrimPrefix(text[:colon], "["), "]"); host != "*" {
		if address, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}
		}
	}
	if address.Is6() {
		address, _ = splitZone(address.As16()) // it prints the kernel's form
	}
	return netip.AddrPortFrom(address, uint16(port))
}

// place is what tells sockets apart where there is nothing better: several
// sockets can have one. The family matters only to those without a peer:
// netstat does not show that of an IPv4 connection.
type place struct {
	network       Network
	family        Family
	local, remote netip.AddrPort
}

func (f *lsofFile) place() place { return placeOf(f.network, f.family, f.local, f.remote) }

func (s *xnuSocket) place() place { return placeOf(s.Network, s.Family, s.Local, s.Remote) }

func placeOf(network Network, family Family, local, remote netip.AddrPort) place {
	if remote.IsValid() {
		family = ""
	}
	return place{network, family, wildcardEnd(local), wildcardEnd(remote)}
}

// wildcardEnd is a plain end in which all wildcards are the same.
func wildcardEnd(end netip.AddrPort) netip.AddrPort {
	end = plainEnd(end)
	if end.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), end.Port())
	}
	return end
}
