//go:build linux || darwin || freebsd || openbsd || netbsd || dragonfly

package netstate

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readUnixPaths fills in what stands at each path of the query. Which process
// has a socket there is not read: it is a limit. It needs no privilege. Linux
// has a better source, and uses this one in tests.
func readUnixPaths(s *Snapshot) {
	for _, name := range unixNames(s.Query) {
		if strings.HasPrefix(name, "@") {
			s.Limits = append(s.Limits, abstractLimit(name))
			continue
		}
		path := statPath(name)
		if len(name) <= maxUnixPath && leadsToSocket(name) {
			path.Connect = connectOther(name, unix.SOCK_DGRAM)
		}
		s.Paths = append(s.Paths, path)
		s.limitPath(path, "a socket")
		s.limitPathOwners(path)
	}
}

// leadsToSocket tells whether a path is that of a socket's file, perhaps by a
// symbolic link.
func leadsToSocket(name string) bool {
	var stat unix.Stat_t
	return unix.Stat(name, &stat) == nil && pathKind(uint32(stat.Mode)) == PathSocket
}

// statPath looks at a path without following a symbolic link at its end.
func statPath(name string) Path {
	p := Path{Path: name}
	var stat unix.Stat_t
	switch err := unix.Lstat(name, &stat); err {
	case nil:
		p.Kind = pathKind(uint32(stat.Mode))
		p.Device, p.Inode, p.UID = uint64(stat.Dev), uint64(stat.Ino), &stat.Uid
		p.Modified = time.Unix(stat.Mtim.Unix())
	case unix.ENOENT, unix.ENOTDIR, unix.ENAMETOOLONG:
		p.Kind, p.Errno = PathAbsent, creationErrno(name, err)
	default:
		p.Kind, p.Errno = PathUnknown, errnoName(err)
	}
	if len(name) > maxUnixPath {
		p.Errno = "ENAMETOOLONG"
	}
	return p
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

// connectOther says what connect(2) answers to a socket of a type. Linux looks
// up which socket is bound to the file in all network namespaces, and compares
// the types before it queues a connection (unix_find_bsd in
// net/unix/af_unix.c): a stale file gives ECONNREFUSED, a bound socket of
// another type EPROTOTYPE, whether it listens or not. EPERM is the answer of
// a datagram socket that is itself connected to a third one.
//
// The BSDs look in the same order, since 4.3BSD (unp_connect in
// sys/kern/uipc_usrreq.c of FreeBSD, NetBSD, OpenBSD and DragonFly,
// bsd/kern/uipc_usrreq.c of xnu 1031c584).
func connectOther(name string, kind int) string {
	fd, err := connectingSocket(kind)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		return errnoName(err)
	}
	return "ok"
}

// connectingSocket makes a unix socket on which connect(2) does not wait.
func connectingSocket(kind int) (int, error) {
	fd, err := privateSocket(unix.AF_UNIX, kind)
	if err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// errnoName is the name of the errno that an error is, "" for none.
func errnoName(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return ""
}
