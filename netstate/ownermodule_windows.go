package netstate

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	procOwnerOfTCP  = iphlpapi.NewProc("GetOwnerModuleFromTcpEntry")
	procOwnerOfTCP6 = iphlpapi.NewProc("GetOwnerModuleFromTcp6Entry")
	procOwnerOfUDP  = iphlpapi.NewProc("GetOwnerModuleFromUdpEntry")
	procOwnerOfUDP6 = iphlpapi.NewProc("GetOwnerModuleFromUdp6Entry")
)

// module is "" where the system does not say (Wine does not).
func (windowsCalls) module(r ownerRow) string {
	calls := map[*ownerTable]*windows.LazyProc{
		&tcp4Owners: procOwnerOfTCP, &tcp6Owners: procOwnerOfTCP6,
		&udp4Owners: procOwnerOfUDP, &udp6Owners: procOwnerOfUDP6,
	}
	call := calls[r.table]
	if call == nil || call.Find() != nil {
		return ""
	}
	row := make([]uint64, (len(r.bytes)+7)/8) // for its alignment
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&row[0])), len(r.bytes)), r.bytes)
	buffer := make([]uint64, 512)
	size := uint32(8 * len(buffer))
	const basicInformation = 0 // TCPIP_OWNER_MODULE_INFO_BASIC
	result, _, _ := call.Call(uintptr(unsafe.Pointer(&row[0])), basicInformation,
		uintptr(unsafe.Pointer(&buffer[0])), uintptr(unsafe.Pointer(&size)))
	if result != 0 {
		return ""
	}
	base := uint64(uintptr(unsafe.Pointer(&buffer[0])))
	return moduleName(unsafe.Slice((*byte)(unsafe.Pointer(&buffer[0])), 8*len(buffer)), base)
}
