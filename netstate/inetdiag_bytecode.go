package netstate

import "encoding/binary"

// Instructions of the filter that the kernel runs on each socket of a dump
// (enum in include/uapi/linux/inet_diag.h). An instruction is a struct
// inet_diag_bc_op: the code, a u8 offset to go on at when it holds, and a u16
// offset for when it does not, both from its own start. A comparison with a
// port is followed by a second one, whose u16 is the port in host byte order.
const (
	bytecodeJump          = 1 // INET_DIAG_BC_JMP never holds
	bytecodeLocalPortFrom = 2 // INET_DIAG_BC_S_GE
	bytecodeLocalPortTo   = 3 // INET_DIAG_BC_S_LE

	bytecodeJumpLength    = 4
	bytecodeCompareLength = 8
)

// maxFilterRanges bounds the work that the kernel does for each socket, and
// keeps the filter far below the 64 KiB that an attribute can have.
const maxFilterRanges = 128

// portFilter compiles a filter that keeps the sockets whose local port is in
// ports. Many ranges are widened to one that covers them all, so the caller
// must look at the ports once more.
//
// Each range is three instructions: not from here on, try the next range; not
// up to here, try the next range; jump to the end, which accepts. To go four
// bytes beyond the end rejects. The kernel allows forward offsets only, to
// instructions that it also reaches by following the u8 offsets alone
// (inet_diag_bc_audit in net/ipv4/inet_diag.c).
func portFilter(ports portSet) []byte {
	if len(ports) > maxFilterRanges {
		ports = portSet{{First: ports[0].First, Last: ports[len(ports)-1].Last}}
	}
	const block = 2*bytecodeCompareLength + bytecodeJumpLength
	end := len(ports)*block - bytecodeJumpLength
	filter := make([]byte, 0, end)
	for i, r := range ports {
		next := (i + 1) * block
		if i == len(ports)-1 {
			next = end + 4
		}
		filter = appendComparison(filter, bytecodeLocalPortFrom, r.First, next)
		filter = appendComparison(filter, bytecodeLocalPortTo, r.Last, next)
		if i < len(ports)-1 {
			filter = appendInstruction(filter, bytecodeJump, bytecodeJumpLength, end-len(filter))
		}
	}
	return filter
}

// appendComparison goes on behind itself when it holds, else at offset no of
// the whole filter.
func appendComparison(filter []byte, code uint8, port uint16, no int) []byte {
	filter = appendInstruction(filter, code, bytecodeCompareLength, no-len(filter))
	return appendInstruction(filter, 0, 0, int(port))
}

func appendInstruction(filter []byte, code, yes uint8, no int) []byte {
	return binary.NativeEndian.AppendUint16(append(filter, code, yes), uint16(no))
}
