package netstate

import (
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	"github.com/mdlayher/netlink"
)

// The layout of the messages is that of Linux, include/uapi/linux/unix_diag.h;
// numbers are in the byte order of the machine.
const (
	unixDiagRequestSize = 24
	unixDiagHeaderSize  = 16

	unixDiagFamily = 1 // AF_UNIX

	unixDiagName = 0
	unixDiagVFS  = 1
	unixDiagPeer = 2
	unixDiagUID  = 7

	// A kernel that lacks one of these (UDIAG_SHOW_UID came with 5.3)
	// ignores it: net/unix/diag.c does not check the bits.
	unixDiagShow = 1<<0 | 1<<1 | 1<<2 | 1<<6 // NAME, VFS, PEER, UID
)

// unixRow is a unix socket as the kernel lists it. FileDevice is encoded as
// in st_dev, and FileInode has only the low 32 bits.
type unixRow struct {
	UnixSocket
	// peer is the inode of the socket at the other end, 0 for none.
	peer uint64
}

// unixDiagRequest asks for the unix sockets in all states.
func unixDiagRequest() []byte {
	request := make([]byte, unixDiagRequestSize)
	request[0] = unixDiagFamily
	binary.NativeEndian.PutUint32(request[4:], 1<<32-1)
	binary.NativeEndian.PutUint32(request[12:], unixDiagShow)
	return request
}

// decodeUnixDiag decodes a struct unix_diag_msg and the attributes after it.
func decodeUnixDiag(message []byte) (unixRow, error) {
	if len(message) < unixDiagHeaderSize {
		return unixRow{}, fmt.Errorf("unix_diag message of %d bytes", len(message))
	}
	if message[0] != unixDiagFamily {
		return unixRow{}, fmt.Errorf("unix_diag message of family %d", message[0])
	}
	row := unixRow{UnixSocket: UnixSocket{
		Type:  unixType(message[1]),
		State: unixState(message[1], message[2]),
		Inode: uint64(binary.NativeEndian.Uint32(message[4:])),
	}}
	attributes, err := netlink.NewAttributeDecoder(message[unixDiagHeaderSize:])
	if err != nil {
		return unixRow{}, fmt.Errorf("unix_diag attributes: %w", err)
	}
	for attributes.Next() {
		row.setAttribute(attributes)
	}
	if err := attributes.Err(); err != nil {
		return unixRow{}, fmt.Errorf("unix_diag attributes: %w", err)
	}
	return row, nil
}

func (r *unixRow) setAttribute(attributes *netlink.AttributeDecoder) {
	switch attributes.Type() {
	case unixDiagName:
		r.Path = unixName(attributes.Bytes())
	case unixDiagVFS:
		attributes.Do(r.setFile)
	case unixDiagPeer:
		r.peer = uint64(attributes.Uint32())
	case unixDiagUID:
		uid := attributes.Uint32()
		r.UID = &uid
	}
}

// setFile decodes a struct unix_diag_vfs. The kernel's own dev_t has 20 bits
// for the minor number (include/linux/kdev_t.h).
func (r *unixRow) setFile(value []byte) error {
	if len(value) < 8 {
		return fmt.Errorf("unix_diag_vfs of %d bytes", len(value))
	}
	r.FileInode = uint64(binary.NativeEndian.Uint32(value))
	device := uint64(binary.NativeEndian.Uint32(value[4:]))
	major, minor := device>>20, device&0xfffff
	r.FileDevice = major<<8 | minor&0xff | minor&^0xff<<12
	return nil
}

// unixName is the text of a socket's name. The NUL at the end of a path is no
// part of it; of an abstract name every byte is, and only the NUL that it
// starts with is written as "@".
func unixName(name []byte) string {
	if len(name) > 0 && name[0] == 0 {
		return "@" + string(name[1:])
	}
	return strings.TrimSuffix(string(name), "\x00")
}

// Socket types (include/linux/net.h) and states (include/net/tcp_states.h).
const (
	unixStream    = 1
	unixDatagram  = 2
	unixSeqpacket = 5

	unixEstablished = 1
	unixClose       = 7
	unixListen      = 10
)

func unixType(kind uint8) string {
	switch kind {
	case unixStream:
		return "stream"
	case unixDatagram:
		return "dgram"
	case unixSeqpacket:
		return "seqpacket"
	}
	return fmt.Sprintf("type %d", kind)
}

// unixState names a state. A datagram socket becomes ESTABLISHED for ever when
// another one connects to it (unix_dgram_connect in net/unix/af_unix.c); it
// receives from anyone all the same.
func unixState(kind, state uint8) State {
	switch {
	case state == unixListen:
		return StateListen
	case kind == unixDatagram:
		return StateUnconnected
	case state == unixEstablished:
		return StateEstablished
	}
	return StateBound
}

// boundSockets are the rows that hold the name they show. A connection that a
// listener accepted shows the listener's name and file, also after the
// listener is gone, and holds neither. A client that was bound before it
// connected looks the same, but the other end of it is what was accepted and
// shows the name of a listener.
func boundSockets(rows []unixRow) []unixRow {
	type name struct {
		path          string
		device, inode uint64
	}
	listeners := make(map[name]bool)
	names := make(map[uint64]name)
	for _, r := range rows {
		n := name{r.Path, r.FileDevice, r.FileInode}
		if r.State == StateListen {
			listeners[n] = true
		}
		if r.Path != "" {
			names[r.Inode] = n
		}
	}
	var bound []unixRow
	for _, r := range rows {
		if r.Path != "" && (r.State != StateEstablished || listeners[names[r.peer]]) {
			bound = append(bound, r)
		}
	}
	return bound
}

// unixFile identifies the file at a path.
type unixFile struct {
	device, inode uint64
	// deviceVaries tells that st_dev may differ from the device that the
	// kernel has for the file system, as on overlayfs and btrfs.
	deviceVaries bool
}

// isOf tells whether a socket is bound to a file. Where devices can't be
// compared the last element of the path has to be the same instead.
func (f unixFile) isOf(r unixRow, name string) bool {
	if r.FileInode == 0 || r.FileInode != f.inode&0xffffffff {
		return false
	}
	return r.FileDevice == f.device || f.deviceVaries && path.Base(r.Path) == path.Base(name)
}
