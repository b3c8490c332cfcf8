package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Act is what an actor does: it makes sockets as its input says, a command a
// line, and answers each with a line: "ok" and a value, or "no" and an error.
// It uses plain system calls, so that only what it is told is set on a socket.
// Its sockets are numbered from 0. It ends with its input.
func Act(in io.Reader, out io.Writer) error {
	a := new(sockets)
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	input := bufio.NewScanner(in)
	for input.Scan() {
		answer, err := a.obey(strings.Fields(input.Text()))
		if err != nil {
			answer = "no " + err.Error()
		} else {
			answer = "ok " + answer
		}
		if _, err := fmt.Fprintln(out, answer); err != nil {
			return err
		}
	}
	return input.Err()
}

// sockets are those that an actor has made.
type sockets struct{ descriptors []int }

// commands are what an actor understands, with the number of words that each
// must have after it.
var commands = map[string]struct {
	words int
	do    func(*sockets, []string) (string, error)
}{
	"bind":    {1, (*sockets).bind},    // bind ADDRESS -> its address
	"listen":  {1, (*sockets).listen},  // listen ADDRESS -> its address
	"connect": {2, (*sockets).connect}, // connect FROM TO -> its address
	"accept":  {1, (*sockets).accept},  // accept SOCKET -> the client's address
	"close":   {1, (*sockets).close},   // close SOCKET
	"unix":    {1, (*sockets).unix},    // unix PATH: listens
	"spawn":   {2, (*sockets).spawn},   // spawn SOCKET PROGRAM [ARGUMENT...]
	"exhaust": {1, (*sockets).exhaust}, // exhaust ADDRESS: binds until it fails -> number and error
}

var errWords = errors.New("what is that")

func (a *sockets) obey(words []string) (string, error) {
	if len(words) == 0 {
		return "", errWords
	}
	command, ok := commands[words[0]]
	if !ok || len(words) <= command.words {
		return "", errWords
	}
	return command.do(a, words[1:])
}

func (a *sockets) bind(words []string) (string, error) {
	address, err := netip.ParseAddrPort(words[0])
	if err != nil {
		return "", err
	}
	fd, err := open(address)
	if err != nil {
		return "", err
	}
	if err := unix.Bind(fd, sockaddr(address)); err != nil {
		unix.Close(fd)
		return "", fmt.Errorf("bind: %w", err)
	}
	return a.keep(fd)
}

func (a *sockets) listen(words []string) (string, error) {
	local, err := a.bind(words)
	if err != nil {
		return "", err
	}
	return local, unix.Listen(a.descriptors[len(a.descriptors)-1], 16)
}

// connect binds its own side first, so that the port is its choice.
func (a *sockets) connect(words []string) (string, error) {
	to, err := netip.ParseAddrPort(words[1])
	if err != nil {
		return "", err
	}
	if _, err := a.bind(words); err != nil {
		return "", err
	}
	fd := a.descriptors[len(a.descriptors)-1]
	if err := unix.Connect(fd, sockaddr(to)); err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	return localOf(fd)
}

func (a *sockets) accept(words []string) (string, error) {
	listener, err := a.socket(words[0])
	if err != nil {
		return "", err
	}
	fd, remote, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	if err != nil {
		return "", err
	}
	a.descriptors = append(a.descriptors, fd)
	return "from " + text(remote), nil
}

func (a *sockets) close(words []string) (string, error) {
	fd, err := a.socket(words[0])
	if err != nil {
		return "", err
	}
	return "closed", unix.Close(fd)
}

func (a *sockets) unix(words []string) (string, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	a.descriptors = append(a.descriptors, fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: words[0]}); err != nil {
		return "", err
	}
	return "listening", unix.Listen(fd, 1)
}

// spawn starts a program that gets the socket as descriptor 3, as a program
// does that forgot to mark it close-on-exec. It reads and prints where the
// actor does.
func (a *sockets) spawn(words []string) (string, error) {
	fd, err := a.socket(words[0])
	if err != nil {
		return "", err
	}
	command := exec.Command(words[1], words[2:]...)
	command.Stdin, command.Stdout = os.Stdin, os.Stdout
	file := os.NewFile(uintptr(fd), "socket")
	command.ExtraFiles = []*os.File{file}
	if err := command.Start(); err != nil {
		return "", err
	}
	return "started", nil
}

func (a *sockets) exhaust(words []string) (string, error) {
	for n := 0; ; n++ {
		if _, err := a.bind(words); errors.Is(err, unix.EADDRINUSE) {
			return fmt.Sprintf("%d sockets, then %v", n, err), nil
		} else if err != nil {
			return "", err
		}
	}
}

func (a *sockets) socket(word string) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil || n < 0 || n >= len(a.descriptors) {
		return 0, errWords
	}
	return a.descriptors[n], nil
}

func (a *sockets) keep(fd int) (string, error) {
	a.descriptors = append(a.descriptors, fd)
	return localOf(fd)
}

func open(address netip.AddrPort) (int, error) {
	family := unix.AF_INET
	if address.Addr().Is6() {
		family = unix.AF_INET6
	}
	return unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
}

func sockaddr(address netip.AddrPort) unix.Sockaddr {
	if address.Addr().Is6() {
		return &unix.SockaddrInet6{Addr: address.Addr().As16(), Port: int(address.Port())}
	}
	return &unix.SockaddrInet4{Addr: address.Addr().As4(), Port: int(address.Port())}
}

func localOf(fd int) (string, error) {
	local, err := unix.Getsockname(fd)
	if err != nil {
		return "", err
	}
	return text(local), nil
}

func text(address unix.Sockaddr) string {
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
	}
	return "?"
}
