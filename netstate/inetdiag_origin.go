package netstate

import "encoding/binary"

// originByState is how a socket got its port where the state alone tells.
func originByState(s *Socket) Origin {
	switch {
	case s.State == StateListen || s.State == StateBound:
		return OriginBind
	case s.State == StateSynSent:
		return OriginConnect
	case s.State == StateSynRecv && s.Inode == 0:
		return OriginAccept
	}
	return ""
}

// Offsets into struct tcp_info (include/uapi/linux/tcp.h), which has grown at
// its end only; BytesRetrans is there since Linux 4.19.
const (
	tcpInfoUnacked      = 24  // u32, segments
	tcpInfoBytesAcked   = 120 // u64
	tcpInfoNotSent      = 144 // u32, bytes
	tcpInfoBytesSent    = 200 // u64
	tcpInfoBytesRetrans = 208 // u64
	tcpInfoLength       = 216
)

// setOrigin tells a connection that this side opened from one that it
// accepted. A SYN and a FIN take up a sequence number each without being data,
// and bytes_acked counts the numbers that the peer acknowledged, except that
// an accepted socket starts to count behind its SYN (tcp_create_openreq_child
// in net/ipv4/tcp_minisocks.c). So of all numbers that were used, those that
// are not data are the SYN of an active open and a FIN.
//
// A shorter struct, of an older kernel, leaves the origin open, and so does
// any other sum: the queue's length is read at another moment than the rest.
func (s *Socket) setOrigin(info []byte) error {
	if len(info) < tcpInfoLength || s.Origin != "" {
		return nil
	}
	notSent := int64(uint32At(info, tcpInfoNotSent))
	var inFlight int64
	if unacked := int64(uint32At(info, tcpInfoUnacked)); unacked > 0 {
		inFlight = int64(s.SendQueue) - notSent
		if inFlight < unacked {
			return nil
		}
	}
	data := uint64At(info, tcpInfoBytesSent) - uint64At(info, tcpInfoBytesRetrans)
	used := uint64At(info, tcpInfoBytesAcked) + inFlight - data
	if s.finQueued() && notSent == 0 {
		used--
	}
	switch used {
	case 0:
		s.Origin = OriginAccept
	case 1:
		s.Origin = OriginConnect
	}
	return nil
}

func uint64At(b []byte, offset int) int64 { return int64(binary.NativeEndian.Uint64(b[offset:])) }

// finQueued tells whether this side has ended its stream. The FIN is the last
// in the send queue, so it was sent when nothing is left there unsent.
func (s *Socket) finQueued() bool {
	switch s.State {
	case StateFinWait1, StateFinWait2, StateClosing, StateLastAck:
		return true
	}
	return false
}
