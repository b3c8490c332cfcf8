package netstate

import "golang.org/x/sys/unix"

// maxUnixPath is the length in bytes of the longest path that every program
// can bind: sun_path has 108 bytes, and most programs end it with a NUL
// (unix(7)).
const maxUnixPath = 107

// socketFile identifies the socket file that a path leads to.
func socketFile(name string) unixFile {
	var stat unix.Stat_t
	if unix.Stat(name, &stat) != nil || pathKind(stat.Mode) != PathSocket {
		return unixFile{}
	}
	var system unix.Statfs_t
	varies := unix.Statfs(name, &system) == nil && deviceVaries(uint32(system.Type))
	return unixFile{device: uint64(stat.Dev), inode: stat.Ino, deviceVaries: varies}
}

// deviceVaries tells whether the files of a type of file system may have other
// device numbers than the file system itself. Such a number has 32 bits, of
// which the highest is a sign where statfs(2) has it as a long of 32 bits.
func deviceVaries(fileSystem uint32) bool {
	return fileSystem == unix.OVERLAYFS_SUPER_MAGIC || fileSystem == unix.BTRFS_SUPER_MAGIC
}

// otherType is a socket type that none of the sockets at a path has.
// SOCK_DGRAM is best: to connect one to a datagram socket sends nothing. But
// it leaves a mark, the state ESTABLISHED, which another type does not.
func otherType(types map[string]bool) int {
	if types["dgram"] {
		return unix.SOCK_SEQPACKET
	}
	return unix.SOCK_DGRAM
}
