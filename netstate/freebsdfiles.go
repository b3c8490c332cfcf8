package netstate

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// kern.file on FreeBSD 12 and later gives a struct xfile (sys/sys/file.h) for
// each descriptor of each process that the reader may see (p_cansee).
const (
	xfileLength = 128

	xfilePID  = 8
	xfileFD   = 16
	xfileType = 32 // 16 bits
	xfileData = 56 // the address of the socket, for DTYPE_SOCKET

	xfileSocket = 2 // DTYPE_SOCKET
)

// freebsdFile is a descriptor of a socket.
type freebsdFile struct {
	pid, fd int
	// address is that of the socket, as xso_so of its pcb.
	address uint64
}

// decodeFreeBSDFiles decodes a list of descriptors, and keeps those of sockets.
// pids are all processes that have a row. The error is errLayout.
func decodeFreeBSDFiles(list []byte) (files []freebsdFile, pids map[int]bool, err error) {
	if len(list)%xfileLength != 0 {
		return nil, nil, fmt.Errorf("%w: a list of descriptors of %d bytes", errLayout, len(list))
	}
	pids = make(map[int]bool)
	for ; len(list) > 0; list = list[xfileLength:] {
		if length := binary.NativeEndian.Uint64(list); length != xfileLength {
			return nil, nil, fmt.Errorf("%w: a descriptor of %d bytes instead of %d", errLayout, length, xfileLength)
		}
		file := freebsdFile{
			pid:     int(int32(uint32At(list, xfilePID))),
			fd:      int(int32(uint32At(list, xfileFD))),
			address: binary.NativeEndian.Uint64(list[xfileData:]),
		}
		pids[file.pid] = true
		isSocket := binary.NativeEndian.Uint16(list[xfileType:]) == xfileSocket
		if isSocket && file.address != 0 && file.pid > 0 && file.fd >= 0 {
			files = append(files, file)
		}
	}
	return files, pids, nil
}

// joinFreeBSDOwners fills in the owners of sockets, ascending. A descriptor is
// proof that the socket is not one that none refers to.
func joinFreeBSDOwners(sockets []freebsdSocket, files []freebsdFile) {
	of := make(map[uint64][]freebsdFile)
	for _, file := range files {
		of[file.address] = append(of[file.address], file)
	}
	for i := range sockets {
		s := &sockets[i]
		if s.address == 0 {
			continue
		}
		owners := make(map[int][]int)
		for _, file := range of[s.address] {
			owners[file.pid] = append(owners[file.pid], file.fd)
		}
		s.Owners = ownersByPID(owners)
		if len(s.Owners) > 0 {
			s.Inode = s.Cookie
		}
	}
}

// ownersByPID makes a list of owners of the descriptors of each process.
func ownersByPID(descriptors map[int][]int) []Owner {
	var owners []Owner
	for pid, fds := range descriptors {
		slices.Sort(fds)
		owners = append(owners, Owner{PID: pid, FDs: slices.Compact(fds)})
	}
	slices.SortFunc(owners, func(a, b Owner) int { return a.PID - b.PID })
	return owners
}
