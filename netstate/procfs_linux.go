package netstate

import (
	"encoding/binary"
	"strconv"

	"golang.org/x/sys/unix"
)

// procfs reads small files below /proc. Names are relative to it. It serves
// one goroutine at a time, and its errors are bare errnos.
type procfs struct {
	directory int
	buffer    []byte
}

// openProcfs opens /proc.
func openProcfs() (*procfs, error) {
	fd, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &procfs{directory: fd, buffer: make([]byte, 16<<10)}, nil
}

// another reads the same directory for another goroutine. It is closed with p.
func (p *procfs) another() *procfs {
	return &procfs{directory: p.directory, buffer: make([]byte, len(p.buffer))}
}

func (p *procfs) close() { unix.Close(p.directory) }

// longestFile is where reading a file of /proc is given up: argument vectors
// and epoll sets can be as long as another process likes.
const longestFile = 1 << 20

// read returns the start of a file, up to [longestFile] bytes. The bytes are
// valid until the next call.
func (p *procfs) read(name string) ([]byte, error) {
	fd, err := unix.Openat(p.directory, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	for n := 0; ; {
		if n == len(p.buffer) {
			if n >= longestFile {
				return p.buffer, nil
			}
			p.buffer = append(p.buffer, make([]byte, n)...)
		}
		got, err := unix.Read(fd, p.buffer[n:])
		if err != nil {
			return nil, err
		}
		if got == 0 {
			return p.buffer[:n], nil
		}
		n += got
	}
}

// link returns what a symbolic link says.
func (p *procfs) link(name string) (string, error) {
	n, err := unix.Readlinkat(p.directory, name, p.buffer)
	if err != nil {
		return "", err
	}
	return string(p.buffer[:n]), nil
}

// numbers lists the names in a directory that are numbers.
func (p *procfs) numbers(name string) ([]int, error) {
	fd, err := unix.Openat(p.directory, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var numbers []int
	err = eachNumber(fd, p.buffer, func(number int, _ *byte) bool {
		numbers = append(numbers, number)
		return true
	})
	return numbers, err
}

// eachNumber visits the entries of an open directory whose names are numbers,
// until visit says no. The name it gets ends with a zero byte.
//
// An entry is a struct linux_dirent64: its length is the 16 bit number at 16,
// its name starts at 19 (getdents64(2)). The first reading is small: /proc makes
// an inode for each entry, which is in vain where visit soon says no. A reading
// that leaves room for another entry was the last: /proc fills what it can.
func eachNumber(fd int, buffer []byte, visit func(number int, name *byte) bool) error {
	for size := min(1<<10, len(buffer)); ; size = len(buffer) {
		n, err := unix.Getdents(fd, buffer[:size])
		if err != nil || n <= 0 {
			return err
		}
		for entries := buffer[:n]; len(entries) > 19; {
			length := binary.NativeEndian.Uint16(entries[16:])
			if number := leadingNumber(entries[19:length]); number >= 0 && !visit(number, &entries[19]) {
				return nil
			}
			entries = entries[length:]
		}
		if n+longestEntry <= size {
			return nil
		}
	}
}

// longestEntry is the room that an entry with a name of 20 digits takes.
const longestEntry = 40

// leadingNumber decodes digits that end with a zero byte; -1 for anything else.
func leadingNumber(name []byte) int {
	number := 0
	for i, c := range name {
		switch {
		case c == 0 && i > 0:
			return number
		case c < '0' || c > '9':
			return -1
		}
		number = number*10 + int(c-'0')
	}
	return -1
}

// taskPath is the name below /proc of a thread's directory, which for a
// process's first thread is that of the process.
func taskPath(pid, tid int) string {
	if pid == tid {
		return strconv.Itoa(pid)
	}
	return strconv.Itoa(pid) + "/task/" + strconv.Itoa(tid)
}

// denied tells whether a bare errno is about permission.
func denied(err error) bool { return err == unix.EACCES || err == unix.EPERM }

// ended tells whether a bare errno says that a process is not there any more.
func ended(err error) bool { return err == unix.ENOENT || err == unix.ESRCH }

// eachSubdirectory visits the directories in an open directory of a file
// system that tells types in its entries: the inode number is the 64 bit number
// at 0 of an entry, the type at 18.
func eachSubdirectory(fd int, buffer []byte, visit func(inode uint64, name string)) error {
	for {
		n, err := unix.Getdents(fd, buffer)
		if err != nil || n <= 0 {
			return err
		}
		for entries := buffer[:n]; len(entries) > 19; {
			length := binary.NativeEndian.Uint16(entries[16:])
			name := unix.ByteSliceToString(entries[19:length])
			if entries[18] == unix.DT_DIR && name != "." && name != ".." {
				visit(binary.NativeEndian.Uint64(entries), name)
			}
			entries = entries[length:]
		}
	}
}
