//go:build linux || darwin || freebsd || openbsd || netbsd

package job

import (
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CompanionCommand is the word on the command line that makes this program a
// companion. [Accompany] reads the words behind it.
const CompanionCommand = "run-companion"

// groupDelay is how far apart a signal to the process group may arrive here
// and at the companion.
const groupDelay = 100 * time.Millisecond

// wokeUp is what the companion says before it continues the other process. It
// is no signal's number.
const wokeUp syscall.Signal = 255

// startLimit is how long the companion may take to start.
const startLimit = time.Second

// Companion is this process's end of the other.
type Companion struct {
	socket *os.File

	mutex sync.Mutex
	ready bool
	seen  map[syscall.Signal]time.Time
	news  *sync.Cond
}

// NewCompanion starts one, and waits until it is ready for the signals of the
// group. Files are handed to the function that [Accompany] is given; they are
// closed here. Where none can be started, signals are judged less well, and
// nobody has the files.
func NewCompanion(files []*os.File) *Companion {
	c := &Companion{seen: make(map[syscall.Signal]time.Time)}
	c.news = sync.NewCond(&c.mutex)
	ours, theirs, err := socketPair()
	if err != nil {
		return c
	}
	files = append([]*os.File{theirs}, files...)
	err = startCompanion(files)
	for _, file := range files {
		file.Close()
	}
	if err != nil {
		ours.Close()
		return c
	}
	c.socket = ours
	ready := make(chan struct{})
	go c.listen(ready)
	select {
	case <-ready:
	case <-time.After(startLimit):
	}
	return c
}

func startCompanion(files []*os.File) error {
	path, err := self()
	if err != nil {
		return err
	}
	command := exec.Command(path)
	command.Args = []string{os.Args[0], CompanionCommand, strconv.Itoa(unix.Getpgrp()), strconv.Itoa(len(files) - 1)}
	command.ExtraFiles = files
	command.Dir = "/"
	// Outside of the group until it is ready for its signals.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return undisturbed(command.Start)
}

// listen reads what signals the companion gets: a byte each, and 0 first.
func (c *Companion) listen(ready chan<- struct{}) {
	buffer := make([]byte, 1)
	for {
		if _, err := io.ReadFull(c.socket, buffer); err != nil {
			return
		}
		c.mutex.Lock()
		if !c.ready {
			c.ready = true
			close(ready)
		}
		c.seen[syscall.Signal(buffer[0])] = time.Now()
		c.news.Broadcast()
		c.mutex.Unlock()
	}
}

// shared tells whether a signal that has just arrived here went to the whole
// group. Without a companion those of a terminal are taken to.
func (c *Companion) shared(s syscall.Signal) bool {
	arrived := time.Now()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.ready {
		return s != unix.SIGTERM && s != unix.SIGUSR1 && s != unix.SIGUSR2
	}
	for {
		waited := c.await(s, arrived)
		if !c.seen[s].Before(arrived.Add(-groupDelay)) {
			return true
		}
		if waited < 2*groupDelay {
			return false
		}
		// This process was stopped meanwhile, and what the companion said is
		// still to be read.
	}
}

// await waits for news of a signal, and returns how long that took.
func (c *Companion) await(s syscall.Signal, arrived time.Time) time.Duration {
	began := time.Now()
	timer := time.AfterFunc(groupDelay, func() {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.news.Broadcast()
	})
	defer timer.Stop()
	for c.seen[s].Before(arrived.Add(-groupDelay)) && time.Since(began) < groupDelay {
		c.news.Wait()
	}
	return time.Since(began)
}

// woke tells whether the companion has continued this process since a time.
func (c *Companion) woke(since time.Time) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.seen[wokeUp].After(since)
}

// watch has the companion continue this process when the process with this id,
// which is stopped, is no longer.
func (c *Companion) watch(pid int) {
	if c.socket != nil {
		c.socket.Write(binary.NativeEndian.AppendUint32(nil, uint32(pid)))
	}
}

// Close lets the companion go its own way.
func (c *Companion) Close() {
	if c.socket != nil {
		c.socket.Close()
	}
}

func socketPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock() // darwin has no SOCK_CLOEXEC
	defer syscall.ForkLock.RUnlock()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range pair {
		unix.CloseOnExec(fd)
	}
	unix.SetNonblock(pair[0], true)
	return os.NewFile(uintptr(pair[0]), "companion"), os.NewFile(uintptr(pair[1]), "companion"), nil
}

// Accompany is the companion's whole life. Words are those after
// [CompanionCommand]; guard is called with the files that [NewCompanion] was
// given, if any, and with the socket that is hung up when the other process
// ends.
//
// It ends when both the other process and guard have.
func Accompany(words []string, guard func(files []*os.File, other *os.File)) {
	group, files := inheritance(words)
	other := os.NewFile(3, "companion")
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, catchable()...)
	unix.Setpgid(0, group)
	other.Write([]byte{0})
	go func() {
		for s := range signals {
			other.Write([]byte{byte(s.(syscall.Signal))})
		}
	}()
	gone := make(chan struct{})
	go func() { obey(other); close(gone) }()
	if len(files) > 0 {
		guard(files, other)
	}
	<-gone
}

// inheritance reads the words and what files come with them. All others that
// this process has got with its start are closed: they are none of its
// business, and somebody may wait for their end.
func inheritance(words []string) (group int, files []*os.File) {
	count := 0
	if len(words) == 2 {
		group, _ = strconv.Atoi(words[0])
		count, _ = strconv.Atoi(words[1])
	}
	for i := range count {
		files = append(files, os.NewFile(uintptr(4+i), "guard"))
	}
	closeInherited(4 + count)
	for fd := 3; fd < 4+count; fd++ {
		unix.CloseOnExec(fd)
	}
	return group, files
}

// obey continues the other process whenever a process that it names goes on,
// until it ends.
func obey(other *os.File) {
	parent := os.Getppid()
	buffer := make([]byte, 4)
	for {
		if _, err := io.ReadFull(other, buffer); err != nil {
			unix.Setsid() // a terminal that goes away is no longer its own
			return
		}
		for pid := int(binary.NativeEndian.Uint32(buffer)); isStopped(pid) && os.Getppid() == parent; {
			time.Sleep(groupDelay)
		}
		if os.Getppid() == parent {
			other.Write([]byte{byte(wokeUp)})
			unix.Kill(parent, unix.SIGCONT)
		}
	}
}
