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

// tcpCounts are the counts of a connection that tell which side opened it. The
// kernel takes all but the first at one moment.
type tcpCounts struct {
	// sendQueue is in sequence numbers: all that are not acknowledged.
	sendQueue uint32
	// unacked is in segments: those in flight.
	unacked uint32
	// notSent is in sequence numbers: those that were never sent.
	notSent                             uint32
	bytesAcked, bytesSent, bytesRetrans uint64
}

// tcpInfoLength is that of struct tcp_info (include/uapi/linux/tcp.h) up to
// tcpi_bytes_retrans, which is there since Linux 4.19. It grows at its end.
const tcpInfoLength = 216

// parseTCPCounts reads a struct tcp_info. It is not ok when the struct is that
// of an older kernel.
func parseTCPCounts(info []byte, sendQueue uint32) (counts tcpCounts, ok bool) {
	if len(info) < tcpInfoLength {
		return tcpCounts{}, false
	}
	return tcpCounts{
		sendQueue:    sendQueue,
		unacked:      uint32At(info, 24),
		notSent:      uint32At(info, 144),
		bytesAcked:   binary.NativeEndian.Uint64(info[120:]),
		bytesSent:    binary.NativeEndian.Uint64(info[200:]),
		bytesRetrans: binary.NativeEndian.Uint64(info[208:]),
	}, true
}

// origin tells a connection that this side opened from one that it accepted. A
// SYN and a FIN take up a sequence number each without being data, and
// bytes_acked counts the numbers that the peer acknowledged, except that an
// accepted socket begins to count behind its SYN (tcp_create_openreq_child in
// net/ipv4/tcp_minisocks.c). So of all numbers that were used, those that are
// not data are the SYN of an active open and a FIN. Any other sum leaves the
// origin open.
func (c tcpCounts) origin(state State) Origin {
	used := int64(c.bytesAcked) - int64(c.bytesSent-c.bytesRetrans)
	if c.unacked > 0 {
		used += int64(c.sendQueue) - int64(c.notSent)
	}
	// The FIN is the last in the queue: it was sent if nothing is left there.
	if finQueued(state) && c.notSent == 0 {
		used--
	}
	switch used {
	case 0:
		return OriginAccept
	case 1:
		return OriginConnect
	}
	return ""
}

// finQueued tells whether this side has ended its stream.
func finQueued(state State) bool {
	switch state {
	case StateFinWait1, StateFinWait2, StateClosing, StateLastAck:
		return true
	}
	return false
}
