package netstate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mostOptionSockets bounds how many sockets are asked for their options, which
// costs about 5 µs for each.
const mostOptionSockets = 1024

// readOptions fills in socket options that only a descriptor of the socket can
// tell: it borrows one from an owner for a moment (pidfd_getfd(2), Linux 5.6).
// That needs the permission to trace the owner, PTRACE_MODE_ATTACH_REALCREDS
// of ptrace(2); sockets whose owners refuse are in a limit ([LimitOptions]).
func readOptions(s *Snapshot) {
	rows := optionRows(s.Sockets)
	b := borrower{processes: make(map[int]int)}
	defer b.close()
	refused := make(map[error][]uint64)
	for _, socket := range rows[:min(len(rows), mostOptionSockets)] {
		if err := b.readOptions(socket); err != nil {
			refused[err] = append(refused[err], socket.Inode)
		}
	}
	for _, err := range slices.SortedFunc(maps.Keys(refused), func(a, b error) int {
		return strings.Compare(a.Error(), b.Error())
	}) {
		s.Limits = append(s.Limits, optionsLimit(refused[err], refusal(err)))
	}
	if len(rows) > mostOptionSockets {
		rest := rows[mostOptionSockets:]
		inodes := make([]uint64, len(rest))
		for i, socket := range rest {
			inodes[i] = socket.Inode
		}
		s.Limits = append(s.Limits, optionsLimit(inodes, fmt.Sprintf("only the first %d sockets are asked", mostOptionSockets)))
	}
}

// optionRows are the sockets that somebody has open, those that wait for peers
// first.
func optionRows(sockets []Socket) []*Socket {
	var serving, others []*Socket
	for i := range sockets {
		socket := &sockets[i]
		switch {
		case socket.Inode == 0 || len(socket.Owners) == 0:
		case socket.State == StateListen || socket.State == StateBound || socket.State == StateUnconnected:
			serving = append(serving, socket)
		default:
			others = append(others, socket)
		}
	}
	return append(serving, others...)
}

func optionsLimit(inodes []uint64, why string) Limit {
	slices.Sort(inodes)
	what := fmt.Sprintf("the options of %d sockets", len(inodes))
	if len(inodes) == 1 {
		what = fmt.Sprintf("the options of socket %d", inodes[0])
	}
	return Limit{Kind: LimitOptions, What: what, Why: why, Inodes: inodes}
}

// refusal says why a descriptor could not be borrowed.
func refusal(err error) string {
	switch {
	case errors.Is(err, unix.ENOSYS):
		return "this system does not let a process borrow another's socket (pidfd_getfd)"
	case denied(err):
		return "its owner may not be traced from here (ptrace permission)"
	}
	return fmt.Sprintf("its descriptor can't be borrowed: %v", err)
}

// borrower borrows descriptors from other processes. It keeps a descriptor of
// each process.
type borrower struct {
	processes map[int]int
}

func (b *borrower) close() {
	for _, fd := range b.processes {
		unix.Close(fd)
	}
}

// process opens a process.
func (b *borrower) process(pid int) (int, error) {
	if fd, ok := b.processes[pid]; ok {
		return fd, nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		b.processes[pid] = fd
	}
	return fd, err
}

// readOptions asks one socket through the first owner that lets it. The error
// is an errno of the last owner that refused; an owner that is gone, or whose
// number is now another socket, is none.
func (b *borrower) readOptions(socket *Socket) (refused error) {
	for _, owner := range socket.Owners {
		process, err := b.process(owner.PID)
		for _, number := range owner.FDs {
			if err != nil {
				break
			}
			var fd int
			if fd, err = unix.PidfdGetfd(process, number, 0); err != nil {
				break
			}
			same := isSocket(fd, socket)
			if same {
				socket.askOptions(fd)
			}
			unix.Close(fd)
			if same {
				return nil
			}
		}
		if err != nil && !ended(err) && !errors.Is(err, unix.EBADF) {
			refused = err
		}
	}
	return refused
}

// isSocket tells whether a descriptor is of a socket of the snapshot.
func isSocket(fd int, socket *Socket) bool {
	if socket.Cookie != 0 {
		cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
		return err == nil && cookie == socket.Cookie
	}
	var status unix.Stat_t
	return unix.Fstat(fd, &status) == nil && status.Ino == socket.Inode && status.Mode&unix.S_IFMT == unix.S_IFSOCK
}

// askOptions fills in what the socket itself says. SO_BINDTODEVICE is not in
// network namespaces that the reader is not in.
func (s *Socket) askOptions(fd int) {
	s.Options.ReuseAddr = option(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, s.Options.ReuseAddr)
	s.Options.ReusePort = option(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, s.Options.ReusePort)
	switch s.Family {
	case IPv4:
		s.Options.Transparent = option(fd, unix.SOL_IP, unix.IP_TRANSPARENT, s.Options.Transparent)
		s.Options.FreeBind = option(fd, unix.SOL_IP, unix.IP_FREEBIND, s.Options.FreeBind)
	case IPv6:
		s.Options.V6Only = option(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, s.Options.V6Only)
		s.Options.Transparent = option(fd, unix.SOL_IPV6, unix.IPV6_TRANSPARENT, s.Options.Transparent)
		s.Options.FreeBind = option(fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, s.Options.FreeBind)
	}
	if device, err := unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE); err == nil && device != "" {
		s.Device = device
	}
}

// option reads an on-off option; what was known stays where it can't be read.
func option(fd, level, name int, known *bool) *bool {
	value, err := unix.GetsockoptInt(fd, level, name)
	if err != nil {
		return known
	}
	return new(value != 0)
}
