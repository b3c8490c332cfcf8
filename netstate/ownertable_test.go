package netstate

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// tableRow is what a row of an owner table is built from.
type tableRow struct {
	local, remote string
	state         uint32
	pid           uint32
	created       uint64
	flags         uint32
	scope         uint32
}

// aFileTime is a second after midnight of 22 November 2026.
const aFileTime = (1795305601 + fileTimeUnix) * fileTimeSecond

var aMoment = time.Date(2026, time.November, 22, 0, 0, 1, 0, time.UTC)

// build makes a table as Windows does.
func (t *ownerTable) build(rows ...tableRow) []byte {
	data := make([]byte, t.firstRow+len(rows)*t.rowLength)
	binary.LittleEndian.PutUint32(data, uint32(len(rows)))
	for i, row := range rows {
		t.put(data[t.firstRow+i*t.rowLength:], row)
	}
	return data
}

func (t *ownerTable) put(b []byte, row tableRow) {
	address := func(text string, at, port int) {
		if text == "" || at == absent {
			return
		}
		a := netip.MustParseAddrPort(text)
		copy(b[at:], a.Addr().AsSlice())
		binary.BigEndian.PutUint16(b[port:], a.Port())
	}
	number := func(at int, value uint32) {
		if at != absent {
			binary.LittleEndian.PutUint32(b[at:], value)
		}
	}
	address(row.local, t.local, t.localPort)
	address(row.remote, t.remote, t.remotePort)
	number(t.state, row.state)
	number(t.pid, row.pid)
	number(t.flags, row.flags)
	number(t.localScope, row.scope)
	if t.created != absent {
		binary.LittleEndian.PutUint64(b[t.created:], row.created)
	}
}

// ownerTables are all layouts.
var ownerTables = map[string]*ownerTable{
	"TCP": &tcp4Owners, "TCP6": &tcp6Owners, "UDP": &udp4Owners, "UDP6": &udp6Owners,
	"bound TCP": &tcp4Bound, "bound TCP6": &tcp6Bound,
}

func TestDecodeOwnerTable(t *testing.T) {
	local4, local6 := netip.MustParseAddrPort("127.0.0.1:5188"), netip.MustParseAddrPort("[::1]:5188")
	tests := map[string]struct {
		table  *ownerTable
		row    tableRow
		want   Socket
		pid    int
		number uint32
	}{
		"listener": {
			&tcp4Owners, tableRow{local: "0.0.0.0:5188", remote: "0.0.0.0:61451", state: 2, pid: 4711, created: aFileTime},
			Socket{
				Network: TCP, Family: IPv4, Local: netip.MustParseAddrPort("0.0.0.0:5188"), State: StateListen,
				Origin: OriginBind, Created: aMoment,
			}, 4711, 2,
		},
		"dual-stack listener": {
			&tcp6Owners, tableRow{local: "[::]:5188", state: 2, pid: 4711},
			Socket{Network: TCP, Family: IPv6, Local: netip.MustParseAddrPort("[::]:5188"), State: StateListen, Origin: OriginBind}, 4711, 2,
		},
		"IPv4 client of a dual-stack listener": {
			&tcp6Owners, tableRow{local: "[::ffff:127.0.0.1]:5188", remote: "[::ffff:127.0.0.1]:50001", state: 5, pid: 4711},
			Socket{
				Network: TCP, Family: IPv6, State: StateEstablished,
				Local: netip.MustParseAddrPort("[::ffff:127.0.0.1]:5188"), Remote: netip.MustParseAddrPort("[::ffff:127.0.0.1]:50001"),
			}, 4711, 5,
		},
		"TIME_WAIT": {
			&tcp4Owners, tableRow{local: "127.0.0.1:5188", remote: "127.0.0.1:50001", state: 11},
			Socket{Network: TCP, Family: IPv4, Local: local4, Remote: netip.MustParseAddrPort("127.0.0.1:50001"), State: StateTimeWait}, 0, 11,
		},
		"closed": {
			&tcp6Owners, tableRow{local: "[::1]:5188", state: 1, pid: 4},
			Socket{Network: TCP, Family: IPv6, Local: local6, State: StateBound, Origin: OriginBind}, 4, 1,
		},
		"to be deleted": {
			&tcp4Owners, tableRow{local: "127.0.0.1:5188", state: 12},
			Socket{Network: TCP, Family: IPv4, Local: local4, Remote: netip.MustParseAddrPort("0.0.0.0:0")}, 0, 12,
		},
		"state of the future": {
			&tcp4Owners, tableRow{local: "127.0.0.1:5188", state: 1 << 31},
			Socket{Network: TCP, Family: IPv4, Local: local4, Remote: netip.MustParseAddrPort("0.0.0.0:0")}, 0, 1 << 31,
		},
		"link-local": {
			&tcp6Owners, tableRow{local: "[fe80::1]:5188", state: 2, scope: 12},
			Socket{Network: TCP, Family: IPv6, Local: netip.MustParseAddrPort("[fe80::1%12]:5188"), State: StateListen, Origin: OriginBind}, 0, 2,
		},
		"link-local in network byte order": {
			&tcp6Owners, tableRow{local: "[fe80::1]:5188", state: 2, scope: 12 << 24},
			Socket{Network: TCP, Family: IPv6, Local: netip.MustParseAddrPort("[fe80::1%12]:5188"), State: StateListen, Origin: OriginBind}, 0, 2,
		},
		"UDP": {
			&udp4Owners, tableRow{local: "127.0.0.1:5188", pid: 4711, created: aFileTime, flags: udpSpecificPort},
			Socket{Network: UDP, Family: IPv4, Local: local4, State: StateUnconnected, Origin: OriginBind, Created: aMoment}, 4711, 0,
		},
		"UDP on a port that the system chose": {
			&udp6Owners, tableRow{local: "[::1]:5188", pid: 4711, created: aFileTime, flags: 2},
			Socket{Network: UDP, Family: IPv6, Local: local6, State: StateUnconnected, Created: aMoment}, 4711, 0,
		},
		"bound": {
			&tcp4Bound, tableRow{local: "127.0.0.1:5188", state: 1, pid: 4711},
			Socket{Network: TCP, Family: IPv4, Local: local4, State: StateBound, Origin: OriginBind}, 4711, 1,
		},
		"no process has such a number": {
			&tcp6Bound, tableRow{local: "[::1]:5188", state: 1, pid: 1 << 31},
			Socket{Network: TCP, Family: IPv6, Local: local6, State: StateBound, Origin: OriginBind}, 0, 1,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rows, err := test.table.decode(test.table.build(tableRow{local: "0.0.0.0:1"}, test.row))
			if test.table.family == IPv6 {
				rows, err = test.table.decode(test.table.build(tableRow{local: "[::]:1"}, test.row))
			}
			if err != nil || len(rows) != 2 {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
			row := rows[1]
			if diff := cmp.Diff(test.want, row.Socket, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if row.pid != test.pid || row.number != test.number || row.table != test.table {
				t.Errorf("pid %d and state %d, want %d and %d", row.pid, row.number, test.pid, test.number)
			}
		})
	}
}

func TestDecodeOwnerTableIsCareful(t *testing.T) {
	for name, table := range ownerTables {
		t.Run(name, func(t *testing.T) {
			whole := table.build(tableRow{}, tableRow{})
			for length := range whole {
				if rows, err := table.decode(whole[:length]); err == nil {
					t.Errorf("%d of %d bytes are %d rows", length, len(whole), len(rows))
				}
			}
			if rows, err := table.decode(append(whole, 1, 2, 3)); err != nil || len(rows) != 2 {
				t.Errorf("with bytes to spare: %d rows, %v", len(rows), err)
			}
			binary.LittleEndian.PutUint32(whole, 1<<32-1)
			if rows, err := table.decode(whole); err == nil {
				t.Errorf("a count of 2^32-1 is %d rows", len(rows))
			}
			if rows, err := table.decode(make([]byte, table.firstRow)); err != nil || len(rows) != 0 {
				t.Errorf("an empty table: %d rows, %v", len(rows), err)
			}
		})
	}
}

func FuzzOwnerTable(f *testing.F) {
	for _, table := range ownerTables {
		f.Add(table.build(tableRow{pid: 4711, state: 2, created: aFileTime}))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, table := range ownerTables {
			rows, err := table.decode(data)
			if err == nil && len(rows)*table.rowLength > len(data) {
				t.Errorf("%s: %d rows of %d bytes", name, len(rows), len(data))
			}
			for _, row := range rows {
				if err := row.check(); err != nil || row.pid < 0 || row.Created.Year() > 9999 {
					t.Errorf("%s: %+v, %v", name, row, err)
				}
			}
		}
	})
}

func TestFileTime(t *testing.T) {
	tests := map[uint64]time.Time{
		0:                             {},
		1:                             time.Date(1601, time.January, 1, 0, 0, 0, 100, time.UTC),
		fileTimeUnix * fileTimeSecond: time.Unix(0, 0).UTC(),
		aFileTime + 1234567:           aMoment.Add(123456700),
		fileTimeEnd + 1:               {},
		1<<64 - 1:                     {},
	}
	for number, want := range tests {
		if got := fileTime(number); !got.Equal(want) {
			t.Errorf("%d is %v, want %v", number, got, want)
		}
	}
}
