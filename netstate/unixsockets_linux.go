package netstate

import (
	"context"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// readUnixSockets fills in the unix sockets and paths that the query names.
// It fails only with the context.
func readUnixSockets(ctx context.Context, s *Snapshot) error {
	names := unixNames(s.Query)
	if len(names) == 0 {
		return nil
	}
	rows, err := readUnixRows(ctx, s)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "@") {
			s.readAbstract(name, rows)
		} else {
			s.readPath(name, rows)
		}
	}
	return nil
}

// readUnixRows lists the sockets of this network namespace that are bound.
func readUnixRows(ctx context.Context, s *Snapshot) ([]unixRow, error) {
	rows, refused := dumpUnixSockets(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if refused == nil {
		return boundSockets(rows), nil
	}
	missing := Limit{
		Kind: LimitSource, Network: Unix,
		What: "the users of unix sockets, sockets bound to the same file under another name, and NUL bytes in abstract names",
		Why:  "only /proc/net/unix could be read: " + refused.Error(),
	}
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		missing.What, missing.Why = "the unix sockets", "none of their lists could be read: "+refused.Error()+"; "+err.Error()
	}
	s.Limits = append(s.Limits, missing)
	return boundSockets(decodeProcNetUnix(text)), nil
}

// dumpUnixSockets lists all unix sockets of this network namespace.
func dumpUnixSockets(ctx context.Context) ([]unixRow, error) {
	messages, err := dumpNetlink(ctx, unix.NETLINK_SOCK_DIAG, unix.SOCK_DIAG_BY_FAMILY, unixDiagRequest())
	if err != nil {
		return nil, err
	}
	rows := make([]unixRow, len(messages))
	for i, m := range messages {
		if rows[i], err = decodeUnixDiag(m.Data); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// readAbstract adds the sockets that have an abstract name, byte for byte.
// There may be one of each type.
func (s *Snapshot) readAbstract(name string, rows []unixRow) {
	for _, r := range rows {
		if r.Path == name {
			s.addUnix(r)
		}
	}
}

// readPath adds what stands at a path, the sockets that are bound to that
// file, and those that were bound under the same name to another one: their
// file was removed, or is that of another mount namespace.
func (s *Snapshot) readPath(name string, rows []unixRow) {
	path, file := statPath(name), socketFile(name)
	types := make(map[string]bool)
	for _, r := range rows {
		switch {
		case file.isOf(r, name):
			r.FileDevice, r.FileInode = file.device, file.inode
			types[r.Type] = true
			s.addUnix(r)
		case r.Path == name:
			types[r.Type] = types[r.Type] || r.FileInode == 0
			s.addUnix(r)
		}
	}
	if file.inode != 0 && len(name) <= maxUnixPath {
		path.Connect = connectOther(name, otherType(types))
	}
	s.Paths = append(s.Paths, path)
	s.limitPath(path, "a socket of another network namespace")
}

func (s *Snapshot) addUnix(r unixRow) {
	known := func(u UnixSocket) bool { return u.Inode == r.Inode }
	if !slices.ContainsFunc(s.Unix, known) {
		s.Unix = append(s.Unix, r.UnixSocket)
	}
}
