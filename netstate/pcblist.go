package netstate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// The layout of the sysctls net.inet.tcp.pcblist_n and net.inet.udp.pcblist_n
// of macOS: xnu-11417 bsd/netinet/in_pcblist.c, with the structs of in_pcb.h,
// tcp_var.h and bsd/sys/socketvar.h, packed to 4 bytes. Integers are
// little-endian on every Mac; ports and addresses are in network byte order.
//
// A struct xinpgen comes first and last. Between them each socket is a struct
// xinpcb_n and the records that follow it. Every record begins with its length
// and its kind and is padded to 8 bytes. Newer kernels have longer records of
// the same kinds: struct xsocket_n grew from 76 to 104 bytes with Darwin 22.
const (
	pcbGenerationLength = 24 // struct xinpgen

	pcbKindSocket        = 0x1 // struct xsocket_n
	pcbKindReceiveBuffer = 0x2 // struct xsockbuf_n, as is the next
	pcbKindSendBuffer    = 0x4
	pcbKindInternet      = 0x10 // struct xinpcb_n
	pcbKindTCP           = 0x20 // struct xtcpcb_n
)

// pcbLengths are how much of each kind of record must be there to read it.
var pcbLengths = map[uint32]int{
	pcbKindSocket: 72, pcbKindReceiveBuffer: 12, pcbKindSendBuffer: 12, pcbKindInternet: 80, pcbKindTCP: 40,
}

// errPCBListCut means that a list ends before the kernel's mark of its end.
var errPCBListCut = errors.New("the list of sockets is cut off")

// parsePCBList decodes the value of one of the sysctls. interfaceName turns an
// interface index into a name. Sockets without a local port are left out, and
// so are those that are younger than the list.
//
// The remaining time of TIME_WAIT can't be had: t_timer[TCPT_2MSL] is the value
// that tcp_now will have at its end (add_to_time_wait_locked in tcp_timer.c),
// and only a kernel for development tells what tcp_now is.
func parsePCBList(network Network, data []byte, interfaceName func(uint32) string) ([]xnuSocket, error) {
	if len(data) < pcbGenerationLength {
		return nil, fmt.Errorf("%w after %d bytes", errPCBListCut, len(data))
	}
	if empty := binary.LittleEndian.Uint32(data[4:]) == 0; empty && len(data) == pcbGenerationLength {
		return nil, nil // then the kernel leaves out the mark of the end
	}
	list := pcbList{network: network, interfaceName: interfaceName, generation: binary.LittleEndian.Uint64(data[8:])}
	if err := list.read(data); err != nil {
		return nil, err
	}
	return list.sockets, nil
}

// pcbList is a list that is being decoded.
type pcbList struct {
	network       Network
	interfaceName func(uint32) string
	// generation is the counter of sockets when the list was begun.
	generation uint64
	sockets    []xnuSocket
}

// pcbRecords are the records of one socket by their kinds. One that is all but
// gone has an empty xsocket_n, and buffers of kind 0, which nobody looks for.
type pcbRecords map[uint32][]byte

// read goes from record to record. A record that is no longer than a struct
// xinpgen is one: the mark of the end.
func (l *pcbList) read(data []byte) error {
	records := make(pcbRecords)
	for at := recordEnd(binary.LittleEndian.Uint32(data)); ; {
		if at > uint64(len(data)) || len(data[at:]) < 8 {
			return fmt.Errorf("%w after %d bytes", errPCBListCut, len(data))
		}
		rest := data[at:]
		length, kind := binary.LittleEndian.Uint32(rest), binary.LittleEndian.Uint32(rest[4:])
		if uint64(length) > uint64(len(rest)) {
			return fmt.Errorf("%w after %d bytes, within a record of %d", errPCBListCut, len(data), length)
		}
		end := length <= pcbGenerationLength
		if end || kind == pcbKindInternet {
			if err := l.add(records); err != nil {
				return err
			}
			clear(records)
		}
		if end {
			return checkListEnd(length)
		}
		records[kind] = rest[:length]
		at += recordEnd(length)
	}
}

// recordEnd is a record's length with its padding.
func recordEnd(length uint32) uint64 { return (uint64(length) + 7) &^ 7 }

func checkListEnd(length uint32) error {
	if length != pcbGenerationLength {
		return fmt.Errorf("a list of sockets that ends with a record of %d bytes", length)
	}
	return nil
}

// add decodes the records of a socket.
func (l *pcbList) add(records pcbRecords) error {
	if len(records) == 0 { // before the first
		return nil
	}
	for kind, shortest := range pcbLengths {
		if record, there := records[kind]; there && len(record) < shortest {
			return fmt.Errorf("a record of kind %#x and %d bytes, short of %d", kind, len(record), shortest)
		}
	}
	internet := records[pcbKindInternet]
	if internet == nil {
		return errors.New("a list of sockets that begins within one")
	}
	young := binary.LittleEndian.Uint64(internet[28:]) > l.generation
	if port := binary.BigEndian.Uint16(internet[18:]); port == 0 || young {
		return nil
	}
	s, err := l.socket(records)
	if err == nil {
		l.sockets = append(l.sockets, s)
	}
	return err
}

func (l *pcbList) socket(records pcbRecords) (xnuSocket, error) {
	internet := records[pcbKindInternet]
	s := xnuSocket{Socket: Socket{Network: l.network, Family: IPv4}}
	if internet[44]&xnuIPv6 != 0 {
		s.Family = IPv6
	}
	number := s.setSocketRecord(records[pcbKindSocket])
	l.setAddresses(&s, internet)
	s.setV6Only(internet[44]&xnuIPv4 == 0)
	s.controlBlock = binary.LittleEndian.Uint64(internet[8:]) // xi_inpp
	s.setUDPState()
	if l.network == TCP {
		s.controlBlock = binary.LittleEndian.Uint64(internet[20:]) // inp_ppcb
		if err := s.setTCPState(records[pcbKindTCP]); err != nil {
			return xnuSocket{}, err
		}
	}
	s.setQueues(records)
	s.Cookie = binary.LittleEndian.Uint64(internet[28:]) // inp_gencnt
	s.identify(number)
	chosen := binary.LittleEndian.Uint32(internet[36:])&xnuAnonymousPort != 0
	if s.Origin == "" && chosen && l.network == TCP { // an accepted socket never has the flag
		s.Origin = OriginConnect
	}
	return s, nil
}

// setSocketRecord reads a struct xsocket_n, and returns the number by which the
// kernel counts the socket, so_gencnt; 0 before Darwin 22. It has no socket's
// address (xso_so) for one that is all but gone, where it is empty, and for a
// flow that Network.framework runs inside a process: no descriptor refers to
// that, and the process that is named has it (nstat_userland_to_xsocket_n in
// bsd/net/ntstat.c).
func (s *xnuSocket) setSocketRecord(record []byte) (number uint64) {
	if record == nil {
		return 0
	}
	s.LastPID = max(int(int32(binary.LittleEndian.Uint32(record[68:]))), 0)
	if binary.LittleEndian.Uint32(record[40:]) == xnuAFInet6 {
		s.Family = IPv6 // also with an IPv4 connection
	}
	if binary.LittleEndian.Uint64(record[8:]) == 0 {
		if s.LastPID != 0 {
			s.Owners = []Owner{{PID: s.LastPID}}
		}
		return 0
	}
	s.setOptionBits(binary.LittleEndian.Uint32(record[20:]))
	s.open = binary.LittleEndian.Uint16(record[26:])&xnuNoDescriptor == 0
	s.UID = new(binary.LittleEndian.Uint32(record[64:]))
	if len(record) < 84 {
		return 0
	}
	return binary.LittleEndian.Uint64(record[76:])
}

// setAddresses reads the addresses of a struct xinpcb_n: IPv4 ones are at the
// end of the room of IPv6 ones.
func (l *pcbList) setAddresses(s *xnuSocket, internet []byte) {
	address := func(room []byte) netip.Addr {
		switch is6 := internet[44]&xnuIPv6 != 0; {
		case is6:
			return l.withZone([16]byte(room))
		case s.Family == IPv6:
			return netip.AddrFrom16(netip.AddrFrom4([4]byte(room[12:])).As16())
		}
		return netip.AddrFrom4([4]byte(room[12:]))
	}
	s.Local = netip.AddrPortFrom(address(internet[64:80]), binary.BigEndian.Uint16(internet[18:]))
	remote, port := address(internet[48:64]), binary.BigEndian.Uint16(internet[16:])
	if port != 0 || !remote.Unmap().IsUnspecified() {
		s.Remote = netip.AddrPortFrom(remote, port)
	}
}

// withZone takes the number of the interface out of a link-local address: the
// kernel keeps it in the second 16 bits (in6_setscope in scope6.c).
func (l *pcbList) withZone(bytes [16]byte) netip.Addr {
	address, zone := splitZone(bytes)
	if zone == 0 {
		return address
	}
	return address.WithZone(l.interfaceName(zone))
}

// splitZone returns the address without the number of its interface, and the
// number.
func splitZone(bytes [16]byte) (address netip.Addr, zone uint32) {
	address = netip.AddrFrom16(bytes)
	if !address.IsLinkLocalUnicast() && !address.IsLinkLocalMulticast() && !address.IsInterfaceLocalMulticast() {
		return address, 0
	}
	zone = uint32(binary.BigEndian.Uint16(bytes[2:]))
	bytes[2], bytes[3] = 0, 0
	return netip.AddrFrom16(bytes), zone
}

// setTCPState reads a struct xtcpcb_n.
func (s *xnuSocket) setTCPState(record []byte) error {
	if record == nil {
		return fmt.Errorf("the TCP socket on %v has no state", s.Local)
	}
	number := binary.LittleEndian.Uint32(record[36:])
	if number >= uint32(len(xnuStates)) {
		return fmt.Errorf("the TCP socket on %v is in the unknown state %d", s.Local, number)
	}
	s.State = xnuStates[number]
	return nil
}

// setQueues reads how many bytes wait, or for a listener how many connections:
// so_qlen counts those too whose handshake is not finished, so_incqlen only
// those.
func (s *xnuSocket) setQueues(records pcbRecords) {
	if record := records[pcbKindReceiveBuffer]; record != nil {
		s.ReceiveQueue = binary.LittleEndian.Uint32(record[8:])
	}
	if record := records[pcbKindSendBuffer]; record != nil {
		s.SendQueue = binary.LittleEndian.Uint32(record[8:])
	}
	if record := records[pcbKindSocket]; record != nil && s.State == StateListen {
		length, incomplete := binary.LittleEndian.Uint16(record[44:]), binary.LittleEndian.Uint16(record[46:])
		s.ReceiveQueue = uint32(length - min(incomplete, length))
		s.SendQueue = uint32(binary.LittleEndian.Uint16(record[48:])) // so_qlimit
	}
}
