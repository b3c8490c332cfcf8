package netstate

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
)

// The wire format of NETLINK_SOCK_DIAG for internet sockets, from
// include/uapi/linux/inet_diag.h and sock_diag.h. Integers are in host byte
// order, ports and addresses in network byte order.
const (
	typeTCPDiag          = 18 // TCPDIAG_GETSOCK: struct inet_diag_req
	typeSockDiagByFamily = 20 // SOCK_DIAG_BY_FAMILY: struct inet_diag_req_v2

	inetDiagRequestLength   = 60
	inetDiagRequestV2Length = 56
	inetDiagMessageLength   = 72

	attributeRequestBytecode = 1 // INET_DIAG_REQ_BYTECODE

	attributeInfo     = 2 // INET_DIAG_INFO: struct tcp_info
	attributeV6Only   = 11
	attributeCgroupID = 21
	attributeOptions  = 22 // INET_DIAG_SOCKOPT: struct inet_diag_sockopt

	// extensionInfo asks for INET_DIAG_INFO: bit N-1 stands for attribute N.
	// The other attributes above come unasked.
	extensionInfo = 1 << (attributeInfo - 1)

	linuxAFInet  = 2
	linuxAFInet6 = 10

	protocolTCP = 6
	protocolUDP = 17
)

// Sets of states, by the kernel's numbers (include/net/tcp_states.h).
const (
	// diagStateBound (TCP_BOUND_INACTIVE) asks for TCP sockets that are bound
	// and neither listen nor are connected. The kernel has it since 6.8 and
	// reports such a socket as CLOSE.
	diagStateBound  = 1 << 13
	diagStateListen = 1 << 10
	// diagStatesAll are all that a TCP or UDP socket can be in.
	diagStatesAll = 1<<14 - 2
)

// tcpDump asks for the TCP sockets of both families in one walk over the
// kernel's tables, which only a request of the old kind can.
func tcpDump(states uint32, extensions uint8, ports portSet) netlink.Message {
	data := make([]byte, inetDiagRequestLength, inetDiagRequestLength+64)
	data[3] = extensions
	binary.NativeEndian.PutUint32(data[52:], states)
	return netlink.Message{
		Header: netlink.Header{Type: typeTCPDiag, Flags: netlink.Request | netlink.Dump},
		Data:   appendPortFilter(data, ports),
	}
}

// udpDump asks for the UDP sockets of one family.
func udpDump(family uint8, ports portSet) netlink.Message {
	data := make([]byte, inetDiagRequestV2Length, inetDiagRequestV2Length+64)
	data[0], data[1] = family, protocolUDP
	binary.NativeEndian.PutUint32(data[4:], diagStatesAll)
	return netlink.Message{
		Header: netlink.Header{Type: typeSockDiagByFamily, Flags: netlink.Request | netlink.Dump},
		Data:   appendPortFilter(data, ports),
	}
}

func appendPortFilter(data []byte, ports portSet) []byte {
	filter := portFilter(ports)
	data = binary.NativeEndian.AppendUint16(data, uint16(4+len(filter)))
	data = binary.NativeEndian.AppendUint16(data, attributeRequestBytecode)
	return append(data, filter...)
}

// tcpLookup asks for the one connection that has these addresses, whatever
// the family of its socket. The kernel looks it up by its hash, and answers
// with a listener on the local port where there is no such connection.
// Interface is the index of the device a segment between the two arrives by,
// which matters only to sockets that are bound to one.
func tcpLookup(local, remote netip.AddrPort, interfaceIndex uint32) netlink.Message {
	data := make([]byte, inetDiagRequestV2Length)
	data[0], data[1], data[2] = linuxAFInet6, protocolTCP, extensionInfo
	if local.Addr().Unmap().Is4() {
		data[0] = linuxAFInet
	}
	binary.NativeEndian.PutUint32(data[4:], diagStatesAll)
	binary.BigEndian.PutUint16(data[8:], local.Port())
	binary.BigEndian.PutUint16(data[10:], remote.Port())
	copy(data[12:28], local.Addr().Unmap().AsSlice())
	copy(data[28:44], remote.Addr().Unmap().AsSlice())
	binary.NativeEndian.PutUint32(data[44:], interfaceIndex)
	for i := 48; i < 56; i++ {
		data[i] = 0xff // INET_DIAG_NOCOOKIE
	}
	return netlink.Message{
		Header: netlink.Header{Type: typeSockDiagByFamily, Flags: netlink.Request},
		Data:   data,
	}
}

// inetDiagRow is a row of a dump.
type inetDiagRow struct {
	Socket
	// inFlight is set where the origin must wait for a second reading: the
	// length of the send queue, which matters while something is in flight,
	// was not read together with the other counts.
	inFlight *tcpCounts
}

// parseInetDiag decodes a struct inet_diag_msg and the attributes behind it.
// interfaceName turns an interface index into a name.
func parseInetDiag(network Network, data []byte, interfaceName func(uint32) string) (inetDiagRow, error) {
	if len(data) < inetDiagMessageLength {
		return inetDiagRow{}, fmt.Errorf("a socket of %d bytes, short of %d", len(data), inetDiagMessageLength)
	}
	s := inetDiagRow{Socket: Socket{
		Network:      network,
		Cookie:       uint64(uint32At(data, 44)) | uint64(uint32At(data, 48))<<32,
		ReceiveQueue: uint32At(data, 56),
		SendQueue:    uint32At(data, 60),
		Inode:        uint64(uint32At(data, 68)),
	}}
	var err error
	if s.State, err = diagState(network, data[1]); err != nil {
		return inetDiagRow{}, err
	}
	if index := uint32At(data, 40); index != 0 {
		s.Device = interfaceName(index)
	}
	if err := s.setAddresses(data); err != nil {
		return inetDiagRow{}, err
	}
	s.setTimer(data[2], int32(uint32At(data, 52)))
	s.setUID(uint32At(data, 64))
	s.Origin = originByState(&s.Socket)
	return s, s.setAttributes(data[inetDiagMessageLength:])
}

func uint32At(b []byte, offset int) uint32 { return binary.NativeEndian.Uint32(b[offset:]) }

// diagStates has the names of the kernel's states, by number. 12 is a
// connection request of which the kernel keeps only a few bytes.
var diagStates = [...]State{
	1: StateEstablished, 2: StateSynSent, 3: StateSynRecv, 4: StateFinWait1, 5: StateFinWait2, 6: StateTimeWait,
	7: StateBound, 8: StateCloseWait, 9: StateLastAck, 10: StateListen, 11: StateClosing, 12: StateSynRecv,
	13: StateBound,
}

func diagState(network Network, number uint8) (State, error) {
	switch {
	case network == UDP && number == 7:
		return StateUnconnected, nil
	case int(number) >= len(diagStates) || diagStates[number] == "":
		return "", fmt.Errorf("a socket in the unknown state %d", number)
	}
	return diagStates[number], nil
}

func (s *Socket) setAddresses(data []byte) error {
	var local, remote netip.Addr
	switch data[0] {
	case linuxAFInet:
		s.Family = IPv4
		local, remote = netip.AddrFrom4([4]byte(data[8:12])), netip.AddrFrom4([4]byte(data[24:28]))
	case linuxAFInet6:
		s.Family = IPv6
		local, remote = netip.AddrFrom16([16]byte(data[8:24])), netip.AddrFrom16([16]byte(data[24:40]))
	default:
		return fmt.Errorf("a socket of the unknown address family %d", data[0])
	}
	s.Local = s.withZone(local, binary.BigEndian.Uint16(data[4:]))
	if port := binary.BigEndian.Uint16(data[6:]); port != 0 || !remote.IsUnspecified() {
		s.Remote = s.withZone(remote, port)
	}
	return nil
}

// withZone adds the zone of a link-local address: a socket that has one is
// bound to the interface.
func (s *Socket) withZone(address netip.Addr, port uint16) netip.AddrPort {
	if s.Device != "" && address.Is6() && (address.IsLinkLocalUnicast() || address.IsLinkLocalMulticast()) {
		address = address.WithZone(s.Device)
	}
	return netip.AddrPortFrom(address, port)
}

// diagTimers has the kinds of timer by the kernel's numbers. 5 would be a
// delayed acknowledgement, which ends nothing.
var diagTimers = [...]TimerKind{1: TimerRetransmit, 2: TimerKeepalive, 3: TimerTimeWait, 4: TimerProbe}

func (s *Socket) setTimer(kind uint8, milliseconds int32) {
	if kind > 0 && int(kind) < len(diagTimers) {
		s.Timer = &Timer{Kind: diagTimers[kind], RemainingMilliseconds: int64(max(milliseconds, 0))}
	}
}

// setUID leaves out the 0 that the kernel reports for sockets that have no
// user: TIME_WAIT, orphaned FIN_WAIT2, and requests for a connection.
func (s *Socket) setUID(uid uint32) {
	mini := s.Timer != nil && s.Timer.Kind == TimerTimeWait
	request := s.State == StateSynRecv && s.Inode == 0
	if !mini && !request {
		known := uid // not &uid, which would be allocated for each TIME_WAIT too
		s.UID = &known
	}
}

// setAttributes skips attributes that it does not know: each kernel adds some.
func (s *inetDiagRow) setAttributes(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	attributes, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return err
	}
	for attributes.Next() {
		switch attributes.Type() {
		case attributeInfo:
			s.setOrigin(attributes.Bytes())
		case attributeV6Only:
			v6only := attributes.Uint8() != 0
			s.Options.V6Only = &v6only
		case attributeCgroupID:
			s.CgroupID = attributes.Uint64()
		case attributeOptions:
			if err := s.setOptions(attributes.Bytes()); err != nil {
				return err
			}
		}
	}
	return attributes.Err()
}

// setOrigin decodes a struct tcp_info.
func (s *inetDiagRow) setOrigin(info []byte) {
	counts, ok := parseTCPCounts(info, s.SendQueue)
	switch {
	case !ok || s.Network != TCP || s.Origin != "":
	case counts.unacked > 0:
		s.inFlight = &counts
	default:
		s.Origin = counts.origin(s.State)
	}
}

// setOptions decodes a struct inet_diag_sockopt (Linux 5.10): single bits,
// whose order is that of the machine's bytes.
func (s *Socket) setOptions(data []byte) error {
	if len(data) < 2 {
		return fmt.Errorf("socket options of %d bytes, short of 2", len(data))
	}
	freebind, transparent := data[0]&(1<<2) != 0, data[0]&(1<<5) != 0
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		freebind, transparent = data[0]&(1<<5) != 0, data[0]&(1<<2) != 0
	}
	s.Options.FreeBind, s.Options.Transparent = &freebind, &transparent
	return nil
}
