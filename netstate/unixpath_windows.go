package netstate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// readUnixPaths looks at the paths that the query asks about. Windows has unix
// sockets since 2018, and lists neither them nor their owners.
func readUnixPaths(s *Snapshot) {
	for _, e := range s.Query.Endpoints {
		if e.Network != Unix {
			continue
		}
		s.Paths = append(s.Paths, lookAtPath(e.Path))
		s.Limits = append(s.Limits, Limit{
			Kind: LimitUnsupported, Network: Unix,
			What: "who has the unix socket " + e.Path,
			Why:  "Windows does not list unix sockets",
		})
	}
}

// lookAtPath looks at a path without following a symbolic link at its end.
func lookAtPath(path string) Path {
	p := Path{Path: path, Kind: PathUnknown}
	info, err := os.Lstat(path)
	switch {
	case err == nil:
		p.Kind = kindOfFile(info.Mode())
		p.Modified = info.ModTime()
	case errors.Is(err, fs.ErrNotExist):
		p.Kind = PathAbsent
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			p.Errno = "ENOENT"
		}
	case errors.Is(err, fs.ErrPermission):
		p.Errno = "EACCES"
	}
	return p
}

// kindOfFile tells a socket by the reparse tag that the os package reads
// (IO_REPARSE_TAG_AF_UNIX).
func kindOfFile(mode fs.FileMode) PathKind {
	switch {
	case mode.IsRegular():
		return PathRegular
	case mode.IsDir():
		return PathDirectory
	case mode&fs.ModeSocket != 0:
		return PathSocket
	case mode&fs.ModeSymlink != 0:
		return PathSymlink
	}
	return PathOther
}
