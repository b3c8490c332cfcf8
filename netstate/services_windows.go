package netstate

import (
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// services asks the service manager.
func (windowsCalls) services() (map[int][]string, error) {
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_ENUMERATE_SERVICE)
	if err != nil {
		return nil, os.NewSyscallError("OpenSCManager", err)
	}
	defer windows.CloseServiceHandle(manager)
	size := uint32(64 << 10)
	for range 8 {
		buffer := make([]byte, size)
		var needed, count uint32
		err := windows.EnumServicesStatusEx(manager, windows.SC_ENUM_PROCESS_INFO, windows.SERVICE_WIN32, windows.SERVICE_ACTIVE,
			&buffer[0], size, &needed, &count, nil, nil)
		if err == windows.ERROR_MORE_DATA {
			size += needed + size/4
			continue
		}
		if err != nil {
			return nil, os.NewSyscallError("EnumServicesStatusEx", err)
		}
		return servicesByProcess(buffer, count), nil
	}
	return nil, errTableGrows
}

// servicesByProcess reads the structures that the system filled in, whose
// names are in the same buffer.
func servicesByProcess(buffer []byte, count uint32) map[int][]string {
	services := make(map[int][]string)
	if uint64(count)*uint64(unsafe.Sizeof(windows.ENUM_SERVICE_STATUS_PROCESS{})) > uint64(len(buffer)) {
		return services
	}
	for _, service := range unsafe.Slice((*windows.ENUM_SERVICE_STATUS_PROCESS)(unsafe.Pointer(&buffer[0])), count) {
		pid := int(service.ServiceStatusProcess.ProcessId)
		services[pid] = append(services[pid], windows.UTF16PtrToString(service.ServiceName))
	}
	for _, names := range services {
		slices.Sort(names)
	}
	return services
}
