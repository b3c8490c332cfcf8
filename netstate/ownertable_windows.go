package netstate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"unsafe"

	psnet "github.com/shirou/gopsutil/v3/net"
	"golang.org/x/sys/windows"
)

var (
	iphlpapi                = windows.NewLazySystemDLL("iphlpapi.dll")
	procGetExtendedTCPTable = iphlpapi.NewProc("GetExtendedTcpTable")
	procGetExtendedUDPTable = iphlpapi.NewProc("GetExtendedUdpTable")
	procGetBoundTCPTable    = iphlpapi.NewProc("InternalGetBoundTcpEndpointTable")
	procGetBoundTCP6Table   = iphlpapi.NewProc("InternalGetBoundTcp6EndpointTable")
	kernel32                = windows.NewLazySystemDLL("kernel32.dll")
	procGetProcessHeap      = kernel32.NewProc("GetProcessHeap")
	procHeapSize            = kernel32.NewProc("HeapSize")
	procHeapFree            = kernel32.NewProc("HeapFree")
)

// errTableGrows is returned when a buffer was too short again and again.
var errTableGrows = errors.New("the table grew faster than it could be read")

// The classes that tell owner, module and time (TCP_TABLE_CLASS and
// UDP_TABLE_CLASS in iprtrmib.h).
const (
	tcpTableOwnerModuleAll = 8
	udpTableOwnerModule    = 2
)

// sockets reads the tables with owners, or what gopsutil makes of poorer ones.
func (windowsCalls) sockets(ctx context.Context, network Network) (rows ownerRows, limits []Limit, err error) {
	tables := []*ownerTable{&tcp4Owners, &tcp6Owners}
	if network == UDP {
		tables = []*ownerTable{&udp4Owners, &udp6Owners}
	}
	for _, table := range tables {
		var part []ownerRow
		data, err := extendedTable(table)
		if err == nil {
			part, err = table.decode(data)
		}
		if err != nil {
			return readConnectionRows(ctx, network, err)
		}
		rows = append(rows, part...)
	}
	if network == TCP {
		rows, limits = withBoundTable(rows)
	}
	for i := range limits {
		limits[i].Network = network
	}
	return rows, limits, nil
}

// extendedTable calls GetExtendedTcpTable or GetExtendedUdpTable.
func extendedTable(table *ownerTable) ([]byte, error) {
	call, class, family := procGetExtendedTCPTable, uintptr(tcpTableOwnerModuleAll), uintptr(windows.AF_INET)
	if table.network == UDP {
		call, class = procGetExtendedUDPTable, udpTableOwnerModule
	}
	if table.family == IPv6 {
		family = windows.AF_INET6
	}
	if err := call.Find(); err != nil {
		return nil, err
	}
	size := uint32(64 << 10)
	for range 8 {
		buffer := make([]byte, size)
		const unsorted, reserved = 0, 0
		result, _, _ := call.Call(uintptr(unsafe.Pointer(&buffer[0])), uintptr(unsafe.Pointer(&size)), unsorted, family, class, reserved)
		switch errno := windows.Errno(result); {
		case errno == 0 && size <= uint32(len(buffer)):
			return buffer[:size], nil
		case errno == 0:
			return buffer, nil
		case errno != windows.ERROR_INSUFFICIENT_BUFFER:
			return nil, os.NewSyscallError(call.Name, errno)
		}
		size += size / 4 // for those that appear meanwhile
	}
	return nil, errTableGrows
}

// withBoundTable adds the sockets that are bound and neither listen nor are
// connected, which have a table of their own. Its functions are those that
// netstat -q uses; Microsoft does not describe them, and Wine has none.
func withBoundTable(rows ownerRows) (ownerRows, []Limit) {
	var bound ownerRows
	for table, call := range map[*ownerTable]*windows.LazyProc{&tcp4Bound: procGetBoundTCPTable, &tcp6Bound: procGetBoundTCP6Table} {
		data, err := boundTable(call)
		var part []ownerRow
		if err == nil {
			part, err = table.decode(data)
		}
		if err != nil {
			return rows, []Limit{{
				Kind: LimitBound, Network: TCP,
				What: "TCP sockets that are bound and neither listen nor are connected",
				Why:  "this system does not list them: " + err.Error(),
			}}
		}
		bound = append(bound, part...)
	}
	return rows.withBound(bound), nil
}

// boundTable calls a function that allocates the table on the process's heap.
func boundTable(call *windows.LazyProc) ([]byte, error) {
	for _, p := range []*windows.LazyProc{call, procGetProcessHeap, procHeapSize, procHeapFree} {
		if p.Find() != nil {
			return nil, fmt.Errorf("it has no %s", p.Name)
		}
	}
	heap, _, _ := procGetProcessHeap.Call()
	var table *byte
	if result, _, _ := call.Call(uintptr(unsafe.Pointer(&table)), heap, 0); result != 0 {
		return nil, os.NewSyscallError(call.Name, windows.Errno(result))
	}
	if table == nil {
		return nil, fmt.Errorf("%s returned no table", call.Name)
	}
	defer procHeapFree.Call(heap, 0, uintptr(unsafe.Pointer(table)))
	size, _, _ := procHeapSize.Call(heap, 0, uintptr(unsafe.Pointer(table)))
	if size == ^uintptr(0) {
		return nil, fmt.Errorf("%s returned a table of unknown size", call.Name)
	}
	return append([]byte(nil), unsafe.Slice(table, size)...), nil
}

// readConnectionRows reads the sockets by way of gopsutil, because the tables
// with the times and modules were refused.
func readConnectionRows(ctx context.Context, network Network, refusal error) (rows ownerRows, limits []Limit, err error) {
	connections, err := psnet.ConnectionsWithContext(ctx, string(network))
	if err != nil {
		return nil, nil, errors.Join(refusal, err)
	}
	unreadable := 0
	for _, connection := range connections {
		socket, err := connectionSocket(network, connection)
		if err != nil {
			unreadable++
			continue
		}
		socket.Owners = nil
		rows = append(rows, ownerRow{Socket: socket, pid: int(connection.Pid)})
	}
	why := "the system refused the better source (" + refusal.Error() + "), and what was read instead lacks them"
	limits = []Limit{{Kind: LimitSource, What: "when " + string(network) + " sockets were made", Why: why}}
	if network == TCP {
		limits = append(limits, Limit{Kind: LimitBound, What: "TCP sockets that are bound and neither listen nor are connected", Why: why})
	}
	if unreadable > 0 {
		limits = append(limits, Limit{Kind: LimitSource, What: fmt.Sprintf("%d %s sockets", unreadable, network), Why: why})
	}
	for i := range limits {
		limits[i].Network = network
	}
	return rows, limits, nil
}
