package trace

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// pidfdThread makes pidfd_open(2) open a thread that leads no process, from
// Linux 6.9 on (PIDFD_THREAD).
const pidfdThread = unix.O_EXCL

// canBorrow tries pidfd_getfd(2) on this process. Sandboxes refuse it.
func canBorrow() error {
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(self)
	fd, err := unix.PidfdGetfd(self, self, 0)
	if err != nil {
		return fmt.Errorf("pidfd_getfd: %w", err)
	}
	return unix.Close(fd)
}

// look reads what a call is about, while its thread waits. It returns nil for
// calls that nothing has to be said of: of other kinds of socket, with
// arguments that make no sense, and on sockets that have an address already.
func (t *Tracer) look(n *notification) (*watched, error) {
	if n.tid == 0 {
		return nil, errUnseen
	}
	w := &watched{tid: int(n.tid), number: n.data.number, instruction: n.data.instruction, fd: -1, ended: make(chan struct{})}
	thread, ok := readStatus(w.tid)
	if !ok {
		return nil, nil // it has ended
	}
	w.call.identify(thread)
	var err error
	w.fd, err = borrow(thread.tgid, w.tid, int(int32(n.data.arguments[0])))
	if err != nil {
		return nil, refused(thread, err)
	}
	if t.describe(w, n) && waiting(t.listener, n.id) {
		w.open()
		return w, nil
	}
	w.close()
	return nil, nil
}

// identify fills in who makes the call.
func (c *Call) identify(thread status) {
	c.PID, c.Program, c.UID, c.BindPrivileged = thread.tgid, programOf(thread), thread.uid, thread.binder
}

// programOf is the name under which a process was started.
func programOf(thread status) string {
	text, _ := os.ReadFile(procPath(thread.tgid, "cmdline"))
	if name, _, _ := strings.Cut(string(text), "\x00"); name != "" {
		return name
	}
	return thread.name
}

// refused is the error of a process that may not be looked into. Others are
// no matter: it has ended, or has no such descriptor.
func refused(thread status, err error) error {
	if err != unix.EPERM && err != unix.EACCES {
		return nil
	}
	return fmt.Errorf("%s (pid %d) may not be looked into (ptrace permission)", thread.name, thread.tgid)
}

// borrow duplicates a descriptor of a thread. Its table is that of the process
// unless the thread has unshared it.
func borrow(pid, tid, number int) (int, error) {
	process, err := -1, error(unix.EINVAL)
	if tid != pid {
		process, err = unix.PidfdOpen(tid, pidfdThread)
	}
	if err != nil {
		process, err = unix.PidfdOpen(pid, 0)
	}
	if err != nil {
		return -1, err
	}
	defer unix.Close(process)
	return unix.PidfdGetfd(process, number, 0)
}

// describe fills in the call. It returns false for one of no interest.
func (t *Tracer) describe(w *watched, n *notification) bool {
	c := &w.call
	if c.Network = networkName(w.fd); c.Network == "" {
		return false
	}
	var file unix.Stat_t
	if unix.Fstat(w.fd, &file) != nil {
		return false
	}
	c.Socket = file.Ino
	w.before = localOf(w.fd)
	t.options(w.fd, c)
	if n.data.number == unix.SYS_LISTEN {
		c.Op, c.Local = Listen, w.before.local
		return c.Network == "tcp" && !isOn(w.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	}
	c.Op = Bind
	if w.before != (sockaddr{}) {
		return false
	}
	asked, ok := decodeSockaddr(readMemory(w.tid, n.data.arguments[1], n.data.arguments[2]))
	if !ok || (asked.path != "") != (c.Network == "unix") {
		return false
	}
	c.Local = asked.local
	if asked.path != "" {
		c.absolutePath(w.tid, asked.path)
	}
	return true
}

// networkName is "" for sockets that have no port and no path.
func networkName(fd int) string {
	domain, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	protocol, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	switch {
	case domain == unix.AF_UNIX:
		return "unix"
	case domain != unix.AF_INET && domain != unix.AF_INET6:
		return ""
	case protocol == unix.IPPROTO_TCP || protocol == unix.IPPROTO_MPTCP:
		return "tcp"
	case protocol == unix.IPPROTO_UDP:
		return "udp"
	}
	return ""
}

// localOf is the address that a socket has, zero for one that has no port and
// no path.
func localOf(fd int) sockaddr {
	address, err := unix.Getsockname(fd)
	if err != nil {
		return sockaddr{}
	}
	if a, ok := address.(*unix.SockaddrUnix); ok && a.Name != "@" { // so one without a name is decoded
		return sockaddr{path: a.Name}
	}
	if local := internetOf(address); local.Port() != 0 {
		return sockaddr{local: local}
	}
	return sockaddr{}
}

// sourceOf is the address that a socket has, with a port or without.
func sourceOf(fd int) netip.AddrPort {
	address, _ := unix.Getsockname(fd)
	return internetOf(address)
}

// internetOf is zero for addresses of other families.
func internetOf(address unix.Sockaddr) netip.AddrPort {
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// systemAddress is the other way round. A zone is a number, as decodeSockaddr
// leaves it.
func systemAddress(address netip.Addr, port uint16) unix.Sockaddr {
	if address.Is4() {
		return &unix.SockaddrInet4{Addr: address.As4(), Port: int(port)}
	}
	zone, _ := strconv.ParseUint(address.Zone(), 10, 32)
	return &unix.SockaddrInet6{Addr: address.As16(), Port: int(port), ZoneId: uint32(zone)}
}

// options reads what the program has set.
func (t *Tracer) options(fd int, c *Call) {
	c.OtherNetwork = t.network != networkOf(fd)
	if c.Network == "unix" {
		return
	}
	c.ReuseAddr = isOn(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR)
	c.ReusePort = isOn(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT)
	c.V6Only = isOn(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY)
	c.Transparent = isOn(fd, unix.SOL_IP, unix.IP_FREEBIND) || isOn(fd, unix.SOL_IP, unix.IP_TRANSPARENT)
	c.Device, _ = unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
}

func isOn(fd, level, option int) bool {
	value, err := unix.GetsockoptInt(fd, level, option)
	return err == nil && value != 0
}

// networkOf is the cookie of a socket's network namespace (SO_NETNS_COOKIE,
// Linux 5.14), or for -1 that of this process. 0 where unknown.
func networkOf(fd int) uint64 {
	if fd < 0 {
		var err error
		if fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return 0
		}
		defer unix.Close(fd)
	}
	cookie, _ := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	return cookie
}

// readMemory reads the address that a thread hands to bind, nil if it can't.
func readMemory(tid int, address, length uint64) []byte {
	buffer := make([]byte, min(length, unix.SizeofSockaddrAny))
	if len(buffer) == 0 {
		return nil
	}
	local := []unix.Iovec{{Base: &buffer[0]}}
	local[0].SetLen(len(buffer))
	n, err := unix.ProcessVMReadv(tid, local, []unix.RemoteIovec{{Base: uintptr(address), Len: len(buffer)}}, 0)
	if err != nil {
		return nil
	}
	return buffer[:n]
}

// absolutePath completes a unix socket's path by what the thread takes for its
// root and its directory.
func (c *Call) absolutePath(tid int, path string) {
	c.Path = path
	if path[0] == '@' {
		return
	}
	c.OtherFiles = !sameFile(tid, "root") || !sameLink(tid, "ns/mnt")
	if !filepath.IsAbs(path) {
		if directory, err := os.Readlink(procPath(tid, "cwd")); err == nil {
			c.Path = filepath.Join(directory, path)
		}
	}
}

func procPath(tid int, name string) string { return "/proc/" + strconv.Itoa(tid) + "/" + name }

// sameFile tells whether an entry of /proc/TID leads to what this process has.
func sameFile(tid int, name string) bool {
	theirs, err := os.Stat(procPath(tid, name))
	if err != nil {
		return false
	}
	ours, err := os.Stat("/proc/self/" + name)
	return err == nil && os.SameFile(theirs, ours)
}

func sameLink(tid int, name string) bool {
	theirs, err := os.Readlink(procPath(tid, name))
	if err != nil {
		return false
	}
	ours, err := os.Readlink("/proc/self/" + name)
	return err == nil && theirs == ours
}

// readAt reads the beginning of a small file of /proc again and again.
func readAt(file *os.File, buffer []byte) ([]byte, error) {
	n, err := file.ReadAt(buffer, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return buffer[:n], err
}
