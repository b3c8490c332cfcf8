package netstate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
)

// What net.inet.tcp.pcblist and net.inet.udp.pcblist give on FreeBSD 12 and
// later, on every architecture: a struct xinpgen, a struct xtcpcb or xinpcb
// for each socket, and a struct xinpgen again. Each begins with its own length
// as 64 bits (ksize_t). Numbers are in the machine's byte order; ports and
// addresses are as on the wire.
//
// The layout is that of sys/netinet/in_pcb.h, sys/netinet/tcp_var.h and
// sys/sys/socketvar.h. Spare fields are used up before a struct grows, and a
// program must refuse lengths that it does not know, as sockstat(1) does.
const (
	xinpgenLength = 64
	xinpcbLength  = 400
	xtcpcbLength  = 744

	// In struct xtcpcb, whose struct xinpcb comes after its length.
	xtcpcbInpcb = 8
	xtcpcbState = 568 // t_state
	xtcpcb2MSL  = 604 // tt_2msl, milliseconds left or 0

	// In struct xinpcb, whose struct xsocket comes after its length.
	xinpcbSocket     = 16  // xso_so: the address of the socket, 0 for none
	xinpcbFamily     = 108 // xso_family
	xinpcbQueue      = 112 // so_qlen
	xinpcbQueueLimit = 120 // so_qlimit
	xinpcbUID        = 128 // so_uid
	xinpcbOptions    = 166 // so_options, the low 16 bits
	xinpcbSocketBits = 170 // so_state
	xinpcbReceived   = 176 // so_rcv.sb_cc
	xinpcbToSend     = 212 // so_snd.sb_cc
	xinpcbRemotePort = 252 // inp_fport
	xinpcbLocalPort  = 254 // inp_lport
	xinpcbRemote     = 256 // 16 bytes, an IPv4 address in the last 4
	xinpcbLocal      = 272
	xinpcbGeneration = 296 // inp_gencnt, for the pcb's whole life
	xinpcbFlags      = 356 // inp_flags
	xinpcbVersions   = 392 // inp_vflag
)

// Bits, from sys/sys/socket.h, sys/sys/socketvar.h and sys/netinet/in_pcb.h.
// SO_REUSEPORT_LB is beyond the 16 bits of so_options that are given out.
const (
	freebsdReuseAddr = 0x0004
	freebsdReusePort = 0x0200

	freebsdNoDescriptor = 0x0001 // SS_NOFDREF, until FreeBSD 14
	freebsdIncomplete   = 0x0800 // SQ_INCOMP: in a listener's queue
	freebsdComplete     = 0x1000 // SQ_COMP

	freebsdV6Only  = 0x0000_8000 // IN6P_IPV6_V6ONLY
	freebsdDropped = 0x0400_0000 // INP_DROPPED
	freebsdSockRef = 0x0800_0000 // INP_SOCKREF

	freebsdIPv4 = 0x1 // INP_IPV4
	freebsdIPv6 = 0x2 // INP_IPV6

	freebsdAFInet6 = 28
)

// bsdStates are the states of a TCP socket by number (sys/netinet/tcp_fsm.h),
// the same on every BSD.
var bsdStates = [...]State{
	StateBound, StateListen, StateSynSent, StateSynRecv, StateEstablished, StateCloseWait,
	StateFinWait1, StateClosing, StateLastAck, StateFinWait2, StateTimeWait,
}

// errLayout means that a kernel's record has another layout than is known.
var errLayout = errors.New("the kernel's records have another layout than is known here")

// freebsdSocket is a socket and the address that kern.file knows it by.
type freebsdSocket struct {
	Socket
	address uint64
}

// decodeFreeBSDPCBs decodes a list of sockets. Those without a local port, and
// those that only wait to be freed, are left out. The error of a list that is
// not laid out as expected is errLayout; zone names an interface by its number.
func decodeFreeBSDPCBs(network Network, list []byte, zone func(uint32) string) ([]freebsdSocket, error) {
	record := xinpcbLength
	if network == TCP {
		record = xtcpcbLength
	}
	body, err := freebsdRecords(list, record)
	if err != nil {
		return nil, err
	}
	var sockets []freebsdSocket
	for ; len(body) > 0; body = body[record:] {
		if length := binary.NativeEndian.Uint64(body); length != uint64(record) {
			return nil, fmt.Errorf("%w: a %s record of %d bytes instead of %d", errLayout, network, length, record)
		}
		socket, ok, err := decodeFreeBSDPCB(network, body[:record], zone)
		if err != nil {
			return nil, err
		}
		if ok {
			sockets = append(sockets, socket)
		}
	}
	return sockets, nil
}

// freebsdRecords cuts off the struct xinpgen at both ends of a list of whole
// records.
func freebsdRecords(list []byte, record int) ([]byte, error) {
	size := len(list) - 2*xinpgenLength
	if size < 0 || size%record != 0 {
		return nil, fmt.Errorf("%w: a list of %d bytes", errLayout, len(list))
	}
	for _, end := range [][]byte{list, list[len(list)-xinpgenLength:]} {
		if length := binary.NativeEndian.Uint64(end); length != xinpgenLength {
			return nil, fmt.Errorf("%w: an end of %d bytes instead of %d", errLayout, length, xinpgenLength)
		}
	}
	return list[xinpgenLength : len(list)-xinpgenLength], nil
}

// decodeFreeBSDPCB decodes one record of the right length; false if it holds
// no port. A dropped pcb is off the kernel's lists of ports already
// (in_pcbdrop in sys/netinet/in_pcb.c).
func decodeFreeBSDPCB(network Network, record []byte, zone func(uint32) string) (freebsdSocket, bool, error) {
	pcb := record
	if network == TCP {
		pcb = record[xtcpcbInpcb:]
	}
	s := freebsdSocket{address: binary.NativeEndian.Uint64(pcb[xinpcbSocket:])}
	s.Network, s.Family = network, freebsdFamily(pcb)
	s.Local = freebsdAddress(pcb, s.Family, xinpcbLocal, xinpcbLocalPort, zone)
	flags := uint32At(pcb, xinpcbFlags)
	if s.Local.Port() == 0 || flags&freebsdDropped != 0 {
		return freebsdSocket{}, false, nil
	}
	if binary.BigEndian.Uint16(pcb[xinpcbRemotePort:]) != 0 {
		s.Remote = freebsdAddress(pcb, s.Family, xinpcbRemote, xinpcbRemotePort, zone)
	}
	if err := s.setFreeBSDState(record); err != nil {
		return freebsdSocket{}, false, err
	}
	s.Cookie = binary.NativeEndian.Uint64(pcb[xinpcbGeneration:])
	if s.Family == IPv6 {
		s.Options.V6Only = new(flags&freebsdV6Only != 0)
	}
	if s.address != 0 {
		s.setFreeBSDSocket(pcb, flags)
	}
	s.Origin = originByState(&s.Socket)
	return s, true, nil
}

// freebsdFamily is the family of the socket, or that of its addresses where
// the socket is gone. INP_IPV4 alone stands for IPv4, on an IPv6 socket too.
func freebsdFamily(pcb []byte) Family {
	if uint32At(pcb, xinpcbFamily) == freebsdAFInet6 || pcb[xinpcbVersions]&freebsdIPv6 != 0 {
		return IPv6
	}
	return IPv4
}

// freebsdAddress reads an address. The kernel keeps the zone of a link-local
// one in its second 16 bits (sys/netinet6/scope6.c).
func freebsdAddress(pcb []byte, family Family, at, portAt int, zone func(uint32) string) netip.AddrPort {
	port := binary.BigEndian.Uint16(pcb[portAt:])
	bytes := [16]byte(pcb[at : at+16])
	mapped := pcb[xinpcbVersions]&(freebsdIPv4|freebsdIPv6) == freebsdIPv4
	switch {
	case family == IPv4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(bytes[12:])), port)
	case mapped:
		return netip.AddrPortFrom(netip.AddrFrom16(netip.AddrFrom4([4]byte(bytes[12:])).As16()), port)
	case bytes[0] == 0xfe && bytes[1]&0xc0 == 0x80 && (bytes[2] != 0 || bytes[3] != 0):
		index := uint32(binary.BigEndian.Uint16(bytes[2:]))
		bytes[2], bytes[3] = 0, 0
		return netip.AddrPortFrom(netip.AddrFrom16(bytes).WithZone(zone(index)), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(bytes), port)
}

// setFreeBSDState sets the state, and the time until a TIME_WAIT ends. Until
// FreeBSD 14 the kernel did not tell that time.
func (s *freebsdSocket) setFreeBSDState(record []byte) error {
	if s.Network == UDP {
		s.State = StateUnconnected
		if s.Remote.IsValid() {
			s.State = StateEstablished
		}
		return nil
	}
	number := uint32At(record, xtcpcbState)
	if number >= uint32(len(bsdStates)) {
		return fmt.Errorf("%w: a socket in the state %d", errLayout, number)
	}
	s.State = bsdStates[number]
	if left := int32(uint32At(record, xtcpcb2MSL)); s.State == StateTimeWait && left > 0 {
		s.Timer = &Timer{Kind: TimerTimeWait, RemainingMilliseconds: int64(left)}
	}
	return nil
}

// setFreeBSDSocket sets what the socket itself says. It has no descriptor
// while it waits in a listener's queue, and once it was closed: then the pcb
// keeps it by a reference of its own (tcp_usr_close in tcp_usrreq.c).
func (s *freebsdSocket) setFreeBSDSocket(pcb []byte, flags uint32) {
	bits := binary.NativeEndian.Uint16(pcb[xinpcbSocketBits:])
	if bits&(freebsdNoDescriptor|freebsdIncomplete|freebsdComplete) == 0 && flags&freebsdSockRef == 0 {
		s.Inode = s.Cookie
	}
	s.UID = new(uint32At(pcb, xinpcbUID))
	options := binary.NativeEndian.Uint16(pcb[xinpcbOptions:])
	s.Options.ReuseAddr = new(options&freebsdReuseAddr != 0)
	s.Options.ReusePort = new(options&freebsdReusePort != 0)
	if s.State == StateListen {
		s.ReceiveQueue, s.SendQueue = uint32At(pcb, xinpcbQueue), uint32At(pcb, xinpcbQueueLimit)
	} else {
		s.ReceiveQueue, s.SendQueue = uint32At(pcb, xinpcbReceived), uint32At(pcb, xinpcbToSend)
	}
}

// zoneNumber is a zone that has no name here.
func zoneNumber(index uint32) string { return strconv.FormatUint(uint64(index), 10) }
