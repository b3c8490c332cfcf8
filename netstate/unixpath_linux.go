package netstate

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxUnixPath is the length in bytes of the longest path that every program
// can bind: sun_path has 108 bytes, and most programs end it with a NUL
// (unix(7)).
const maxUnixPath = 107

// statPath looks at a path without following a symbolic link at its end. The
// file is the socket that a connect to the path would reach, zero for none.
func statPath(name string) (Path, unixFile) {
	p := Path{Path: name}
	var file unixFile
	var stat unix.Stat_t
	switch err := unix.Lstat(name, &stat); err {
	case nil:
		p.Kind = pathKind(stat.Mode)
		p.Device, p.Inode, p.UID = uint64(stat.Dev), stat.Ino, &stat.Uid
		p.Modified = time.Unix(stat.Mtim.Unix())
		file = socketFile(name)
	case unix.ENOENT, unix.ENOTDIR, unix.ENAMETOOLONG:
		p.Kind, p.Errno = PathAbsent, creationErrno(name, err)
	default:
		p.Kind, p.Errno = PathUnknown, errnoName(err)
	}
	if len(name) > maxUnixPath {
		p.Errno = "ENAMETOOLONG"
	}
	return p, file
}

func pathKind(mode uint32) PathKind {
	switch mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return PathSocket
	case unix.S_IFREG:
		return PathRegular
	case unix.S_IFDIR:
		return PathDirectory
	case unix.S_IFLNK:
		return PathSymlink
	}
	return PathOther
}

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

// creationErrno says why no file could be made at a path where none is, or
// "". It asks with the effective user id and makes nothing.
func creationErrno(name string, absent error) string {
	if absent != unix.ENOENT {
		return errnoName(absent)
	}
	directory := name[:strings.LastIndexByte(name, '/')+1]
	if directory == "" {
		directory = "."
	}
	err := unix.Faccessat(unix.AT_FDCWD, directory, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	return errnoName(err)
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

// connectOther says what connect(2) answers to a socket of a type. The kernel
// looks up which socket is bound to the file in all network namespaces, and
// compares the types before it queues a connection (unix_find_bsd in
// net/unix/af_unix.c): a stale file gives ECONNREFUSED, a bound socket of
// another type EPROTOTYPE, whether it listens or not. EPERM is the answer of
// a datagram socket that is itself connected to a third one.
func connectOther(name string, kind int) string {
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		return errnoName(err)
	}
	return "ok"
}

// errnoName is the name of the errno that an error is, "" for none.
func errnoName(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return ""
}
