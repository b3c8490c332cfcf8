package netstate

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// xfile is a record of kern.file, made by its documented layout.
func xfile(pid, fd int32, kind uint16, data uint64) []byte {
	record := make([]byte, 128)
	binary.NativeEndian.PutUint64(record, 128)
	binary.NativeEndian.PutUint32(record[8:], uint32(pid))
	binary.NativeEndian.PutUint32(record[16:], uint32(fd))
	binary.NativeEndian.PutUint16(record[32:], kind)
	binary.NativeEndian.PutUint64(record[56:], data)
	return record
}

func xfiles(records ...[]byte) (list []byte) {
	for _, r := range records {
		list = append(list, r...)
	}
	return list
}

// A shared socket has all its owners, with all their descriptors.
func TestJoinFreeBSDOwners(t *testing.T) {
	const vnode, socket = 1, 2
	files, pids, err := decodeFreeBSDFiles(xfiles(
		xfile(900, 7, socket, 0xa), xfile(100, 4, socket, 0xa), xfile(900, 3, socket, 0xa),
		xfile(100, 5, vnode, 0xb), xfile(200, 3, socket, 0xc), xfile(201, 3, socket, 0), xfile(-1, 3, socket, 0xb),
	))
	if err != nil || !pids[201] || !pids[900] || pids[901] {
		t.Fatalf("pids %v, error %v", pids, err)
	}
	sockets := []freebsdSocket{
		{Socket{Cookie: 1, Inode: 1}, 0xa},
		{Socket{Cookie: 2, Inode: 2}, 0xb},
		{Socket{Cookie: 3}, 0xc},
		{Socket{Cookie: 4}, 0},
	}
	joinFreeBSDOwners(sockets, files)
	want := []Socket{
		{Cookie: 1, Inode: 1, Owners: []Owner{{PID: 100, FDs: []int{4}}, {PID: 900, FDs: []int{3, 7}}}},
		{Cookie: 2, Inode: 2},
		{Cookie: 3, Inode: 3, Owners: []Owner{{PID: 200, FDs: []int{3}}}},
		{Cookie: 4},
	}
	for i, s := range sockets {
		if diff := cmp.Diff(want[i].Owners, s.Owners); diff != "" || s.Inode != want[i].Inode {
			t.Errorf("socket %d: inode %d (-want +got):\n%s", s.Cookie, s.Inode, diff)
		}
	}
}

func TestDecodeFreeBSDFilesLayout(t *testing.T) {
	whole := xfiles(xfile(1, 2, 2, 3), xfile(4, 5, 2, 6))
	for n := range whole {
		_, _, err := decodeFreeBSDFiles(whole[:n])
		if wholeRecords := n%128 == 0; wholeRecords != (err == nil) || err != nil && !errors.Is(err, errLayout) {
			t.Errorf("%d bytes: error %v", n, err)
		}
	}
	future := xfiles(xfile(1, 2, 2, 3), make([]byte, 128))
	binary.NativeEndian.PutUint64(future, 256)
	if _, _, err := decodeFreeBSDFiles(future); !errors.Is(err, errLayout) {
		t.Errorf("a longer record: error %v", err)
	}
}

func FuzzDecodeFreeBSDFiles(f *testing.F) {
	f.Add(xfiles(xfile(1, 2, 2, 3)))
	f.Fuzz(func(t *testing.T, list []byte) {
		files, _, err := decodeFreeBSDFiles(list)
		if err != nil && !errors.Is(err, errLayout) {
			t.Error(err)
		}
		for _, file := range files {
			if file.pid <= 0 || file.fd < 0 || file.address == 0 {
				t.Errorf("%+v", file)
			}
		}
	})
}
