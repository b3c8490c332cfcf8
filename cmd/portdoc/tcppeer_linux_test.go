package main

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"portdoc/netstate"
)

// tcpPeer is the other end of a TCP connection, made of single segments, so
// that it can leave out what a kernel would send. Its address is no address
// of this machine: what the kernel sends it goes out of the loopback
// interface and is lost.
type tcpPeer struct {
	raw, tap      int // an IP_HDRINCL socket, and a packet socket on lo
	local, remote netip.AddrPort
	sent          uint32 // the next sequence number
	received      uint32 // the next acknowledgement number
}

// The flags of a TCP segment (RFC 9293, section 3.1).
const (
	fin = 0x01
	syn = 0x02
	ack = 0x10
)

// halfClosed leaves a connection in the given state (LAST_ACK or CLOSING) on
// this side and returns the port.
func halfClosed(state netstate.State) string {
	routeToLoopback()
	server := &puppet{}
	server.listen([]string{"127.0.0.1:0"})
	local, err := unix.Getsockname(server.sockets[0])
	must(err)
	peer := newTCPPeer(netip.MustParseAddrPort(addressOf(local)))
	peer.connect()
	server.accept([]string{"0"})
	server.close([]string{"0"})
	if state == netstate.StateLastAck {
		peer.send(fin | ack)
		server.close([]string{"1"})
	} else {
		// The FIN crosses this side's: it acknowledges nothing new.
		server.close([]string{"1"})
		peer.send(fin | ack)
	}
	return strconv.Itoa(int(peer.remote.Port()))
}

// routeToLoopback makes lo the default route of this network namespace.
func routeToLoopback() {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	must(err)
	defer unix.Close(fd)
	loopback := uint32(1) // the first interface of every namespace
	message := binary.NativeEndian.AppendUint32(nil, 16+12+8)
	message = binary.NativeEndian.AppendUint16(message, unix.RTM_NEWROUTE)
	message = binary.NativeEndian.AppendUint16(message, unix.NLM_F_REQUEST|unix.NLM_F_CREATE)
	message = append(message, 0, 0, 0, 0, 0, 0, 0, 0) // sequence and port id
	message = append(message, unix.AF_INET, 0, 0, 0,
		unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RT_SCOPE_LINK, unix.RTN_UNICAST, 0, 0, 0, 0)
	message = binary.NativeEndian.AppendUint16(message, 8)
	message = binary.NativeEndian.AppendUint16(message, unix.RTA_OIF)
	message = binary.NativeEndian.AppendUint32(message, loopback)
	must(unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
}

func newTCPPeer(remote netip.AddrPort) *tcpPeer {
	raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	must(err)
	protocol := int(unix.ETH_P_IP>>8 | unix.ETH_P_IP<<8&0xff00) // in network order
	tap, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, protocol)
	must(err)
	return &tcpPeer{raw: raw, tap: tap, local: netip.MustParseAddrPort("198.51.100.9:4000"), remote: remote, sent: 1000}
}

// connect does the three-way handshake.
func (p *tcpPeer) connect() {
	p.send(syn)
	p.received = p.sequenceOfAnswer() + 1
	p.send(ack)
}

// sequenceOfAnswer waits for a SYN, ACK to this peer and returns its number.
func (p *tcpPeer) sequenceOfAnswer() uint32 {
	packet := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(p.tap, packet, 0)
		must(err)
		if n < 40 || packet[9] != unix.IPPROTO_TCP {
			continue
		}
		segment := packet[int(packet[0]&0xf)*4 : n]
		if netip.AddrFrom4([4]byte(packet[16:20])) == p.local.Addr() && segment[13]&(syn|ack) == syn|ack {
			return binary.BigEndian.Uint32(segment[4:])
		}
	}
}

// send sends a segment without data.
func (p *tcpPeer) send(flags byte) {
	segment := binary.BigEndian.AppendUint16(nil, p.local.Port())
	segment = binary.BigEndian.AppendUint16(segment, p.remote.Port())
	segment = binary.BigEndian.AppendUint32(segment, p.sent)
	segment = binary.BigEndian.AppendUint32(segment, p.received)
	segment = append(segment, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	source, destination := p.local.Addr().As4(), p.remote.Addr().As4()
	pseudo := append(append(append([]byte{}, source[:]...), destination[:]...), 0, unix.IPPROTO_TCP, 0, byte(len(segment)))
	binary.BigEndian.PutUint16(segment[16:], checksum(append(pseudo, segment...)))

	packet := []byte{4<<4 | 5, 0, 0, byte(20 + len(segment)), 0, 0, 0, 0, 64, unix.IPPROTO_TCP, 0, 0}
	packet = append(append(append(packet, source[:]...), destination[:]...), segment...)
	must(unix.Sendto(p.raw, packet, 0, &unix.SockaddrInet4{Addr: destination}))
	if flags&(syn|fin) != 0 {
		p.sent++
	}
}

// checksum is that of RFC 1071, over an even number of bytes.
func checksum(data []byte) uint16 {
	var sum uint32
	for i := 0; i < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
