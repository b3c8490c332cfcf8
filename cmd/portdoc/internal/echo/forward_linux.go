package echo

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipeBytes is the size asked for a pipe, and how much one splice(2) may move.
// The default of 64 KiB costs twice the processor time for each byte.
const pipeBytes = 1 << 20

// pipe is where the bytes of a client are on their way back to it. It is
// empty whenever it is not lent.
type pipe struct{ read, write int }

// pipes are lent to clients while they have something to be echoed.
var pipes = make(chan *pipe, 64)

func borrowPipe() (*pipe, error) {
	select {
	case p := <-pipes:
		return p, nil
	default:
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	// A refusal leaves the pipe as it is: an ordinary user has used up
	// /proc/sys/fs/pipe-user-pages-soft.
	unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeBytes)
	return &pipe{fds[0], fds[1]}, nil
}

// giveBack keeps an empty pipe for another client.
func (p *pipe) giveBack() {
	select {
	case pipes <- p:
	default:
		p.close()
	}
}

// closeIdlePipes gives their descriptors to clients that wait for one.
func closeIdlePipes() {
	for {
		select {
		case p := <-pipes:
			p.close()
		default:
			return
		}
	}
}

func (p *pipe) close() {
	unix.Close(p.read)
	unix.Close(p.write)
}

// forward echoes without the bytes ever leaving the kernel. Where no pipe can
// be had, for want of descriptors, it goes on with a buffer.
func (c *session) forward() ending {
	for {
		p, n, err := c.fill()
		switch {
		case p == nil && n < 0:
			return c.copy()
		case n <= 0:
			return ending{"read", err}
		}
		if err := c.drain(p, n); err != nil {
			p.close()
			return ending{"write", err}
		}
		p.giveBack()
	}
}

// fill waits until the client has sent something, and only then borrows a
// pipe for it. n is 0 when the client has closed and -1 when there is no pipe.
func (c *session) fill() (p *pipe, n int, err error) {
	closed := c.raw.Read(func(fd uintptr) bool {
		if p, err = borrowPipe(); err != nil {
			n, err = -1, nil
			return true
		}
		n, err = splice(int(fd), p.write, pipeBytes)
		if n > 0 {
			return true
		}
		p.giveBack()
		n = 0
		return err != unix.EAGAIN
	})
	if closed != nil {
		return nil, 0, closed
	}
	return p, n, err
}

// drain sends the n bytes in p, waiting for as long as the client does not
// read.
func (c *session) drain(p *pipe, n int) (err error) {
	closed := c.raw.Write(func(fd uintptr) bool {
		for n > 0 && err == nil {
			var moved int
			moved, err = splice(p.read, int(fd), n)
			n -= max(moved, 0)
		}
		if err == unix.EAGAIN {
			err = nil
			return false
		}
		return true
	})
	if closed != nil {
		return closed
	}
	return err
}

// splice moves up to n bytes between a pipe and a socket.
func splice(from, to, n int) (int, error) {
	for {
		moved, err := unix.Splice(from, nil, to, nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return int(moved), err
		}
	}
}
