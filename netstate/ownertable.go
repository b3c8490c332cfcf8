package netstate

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"strconv"
	"time"
)

// ownerTable is the layout of a table of sockets that Windows returns: a count
// of rows, and from firstRow on the rows. The structures are those of tcpmib.h
// and udpmib.h in the Windows SDK. Their 64-bit members are aligned to 8 bytes
// on each of its architectures, so that one layout serves all. Integers are
// little-endian, addresses and ports in network byte order.
//
// The other numbers are offsets in a row, absent for what it does not have.
type ownerTable struct {
	network             Network
	family              Family
	firstRow, rowLength int

	local, localScope, localPort    int
	remote, remoteScope, remotePort int
	state, pid, created, flags      int
}

// absent is the offset of a member that a row does not have.
const absent = -1

var (
	// tcp4Owners is MIB_TCPTABLE_OWNER_MODULE.
	tcp4Owners = ownerTable{
		network: TCP, family: IPv4, firstRow: 8, rowLength: 160,
		state: 0, local: 4, localScope: absent, localPort: 8, remote: 12, remoteScope: absent, remotePort: 16,
		pid: 20, created: 24, flags: absent,
	}
	// tcp6Owners is MIB_TCP6TABLE_OWNER_MODULE.
	tcp6Owners = ownerTable{
		network: TCP, family: IPv6, firstRow: 8, rowLength: 192,
		local: 0, localScope: 16, localPort: 20, remote: 24, remoteScope: 40, remotePort: 44,
		state: 48, pid: 52, created: 56, flags: absent,
	}
	// udp4Owners is MIB_UDPTABLE_OWNER_MODULE.
	udp4Owners = ownerTable{
		network: UDP, family: IPv4, firstRow: 8, rowLength: 160,
		local: 0, localScope: absent, localPort: 4, remote: absent, remoteScope: absent, remotePort: absent,
		state: absent, pid: 8, created: 16, flags: 24,
	}
	// udp6Owners is MIB_UDP6TABLE_OWNER_MODULE.
	udp6Owners = ownerTable{
		network: UDP, family: IPv6, firstRow: 8, rowLength: 176,
		local: 0, localScope: 16, localPort: 20, remote: absent, remoteScope: absent, remotePort: absent,
		state: absent, pid: 24, created: 32, flags: 40,
	}
	// tcp4Bound is MIB_TCPTABLE2.
	tcp4Bound = ownerTable{
		network: TCP, family: IPv4, firstRow: 4, rowLength: 28,
		state: 0, local: 4, localScope: absent, localPort: 8, remote: 12, remoteScope: absent, remotePort: 16,
		pid: 20, created: absent, flags: absent,
	}
	// tcp6Bound is MIB_TCP6TABLE2.
	tcp6Bound = ownerTable{
		network: TCP, family: IPv6, firstRow: 4, rowLength: 60,
		local: 0, localScope: 16, localPort: 20, remote: 24, remoteScope: 40, remotePort: 44,
		state: 48, pid: 52, created: absent, flags: absent,
	}
)

// udpSpecificPort is the flag SpecificPortBind: the program chose the port.
const udpSpecificPort = 1

// mibStates are the states by their numbers (MIB_TCP_STATE in tcpmib.h). What
// is CLOSED and has a port is bound. DELETE_TCB, 12, is no state that a socket
// is in: RFC 4022 has it for managers who end a connection.
var mibStates = [...]State{
	1: StateBound, StateListen, StateSynSent, StateSynRecv, StateEstablished, StateFinWait1, StateFinWait2,
	StateCloseWait, StateClosing, StateLastAck, StateTimeWait,
}

// ownerRow is a row of an [ownerTable]. Its socket has no owner yet.
type ownerRow struct {
	Socket
	// pid is 0 where the table names no process.
	pid int
	// number is the state's; State is "" for one that has no meaning here.
	number uint32
	// table and bytes are where it comes from.
	table *ownerTable
	bytes []byte
}

// lacksOwner tells whether the table names no process although one has the
// socket, as Wine may. What is left of a connection has none.
func (r ownerRow) lacksOwner() bool {
	return r.pid == 0 && (r.State == StateListen || r.State == StateBound || r.Network == UDP)
}

// decode reads all rows of a table. It fails for one that says to have more
// rows than there are bytes.
func (t *ownerTable) decode(data []byte) ([]ownerRow, error) {
	if len(data) < t.firstRow {
		return nil, fmt.Errorf("a table of %s sockets of %d bytes", t.network, len(data))
	}
	count := binary.LittleEndian.Uint32(data)
	rest := data[t.firstRow:]
	if uint64(len(rest)) < uint64(count)*uint64(t.rowLength) {
		return nil, fmt.Errorf("a table of %d %s sockets in %d bytes", count, t.network, len(data))
	}
	rows := make([]ownerRow, 0, count)
	for range count {
		rows = append(rows, t.row(rest[:t.rowLength:t.rowLength]))
		rest = rest[t.rowLength:]
	}
	return rows, nil
}

// row decodes the bytes of one row.
func (t *ownerTable) row(b []byte) ownerRow {
	r := ownerRow{table: t, bytes: b, pid: processID(uint64(binary.LittleEndian.Uint32(b[t.pid:])))}
	r.Network, r.Family, r.State = t.network, t.family, StateUnconnected
	r.Local = t.address(b, t.local, t.localScope, t.localPort)
	if t.created != absent {
		r.Created = fileTime(binary.LittleEndian.Uint64(b[t.created:]))
	}
	if t.network == UDP {
		if binary.LittleEndian.Uint32(b[t.flags:])&udpSpecificPort != 0 {
			r.Origin = OriginBind
		}
		return r
	}
	r.number, r.State = binary.LittleEndian.Uint32(b[t.state:]), ""
	if r.number < uint32(len(mibStates)) {
		r.State = mibStates[r.number]
	}
	if r.State != StateListen && r.State != StateBound {
		r.Remote = t.address(b, t.remote, t.remoteScope, t.remotePort)
	}
	if r.State != StateSynRecv { // which may be either side
		r.Origin = originByState(&r.Socket)
	}
	return r
}

// address decodes an address and the port that belongs to it.
func (t *ownerTable) address(b []byte, at, scope, port int) netip.AddrPort {
	number := binary.BigEndian.Uint16(b[port:])
	if t.family == IPv4 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[at:])), number)
	}
	address := netip.AddrFrom16([16]byte(b[at:]))
	if zone := scopeZone(binary.LittleEndian.Uint32(b[scope:])); address.IsLinkLocalUnicast() {
		address = address.WithZone(zone)
	}
	return netip.AddrPortFrom(address, number)
}

// scopeZone writes the number of an interface, as Windows users do. Microsoft
// describes it as in network byte order, and Wine has it in the machine's; an
// interface's number is small, so that both can be told apart.
func scopeZone(id uint32) string {
	if id > math.MaxUint16 {
		id = bits.ReverseBytes32(id)
	}
	if id == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(id), 10)
}

// processID is 0 for a number that no process of Windows has.
func processID(number uint64) int {
	if number > math.MaxInt32 {
		return 0
	}
	return int(number)
}

// The FILETIME of Windows counts 100 ns since 1601.
const (
	fileTimeSecond = 10_000_000
	fileTimeUnix   = 11_644_473_600 // seconds from 1601 to 1970
	fileTimeEnd    = 8000 * 365 * 24 * 3600 * fileTimeSecond
)

// fileTime converts a FILETIME; 0, and what no clock shows, is the zero time.
func fileTime(t uint64) time.Time {
	if t == 0 || t > fileTimeEnd {
		return time.Time{}
	}
	return time.Unix(int64(t/fileTimeSecond)-fileTimeUnix, int64(t%fileTimeSecond)*100).UTC()
}
