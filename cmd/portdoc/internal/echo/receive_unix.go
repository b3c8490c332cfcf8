//go:build unix

package echo

import "golang.org/x/sys/unix"

// receive waits until the client has sent something, and only then borrows a
// buffer for it: ten thousand idle clients need none. Like read(2) it answers
// 0 without an error when the client has closed; there is a buffer only with
// n > 0.
func (c *session) receive() (buffer *[bufferBytes]byte, n int, err error) {
	closed := c.raw.Read(func(fd uintptr) bool {
		buffer = buffers.Get().(*[bufferBytes]byte)
		n, err = unix.Read(int(fd), buffer[:])
		for err == unix.EINTR {
			n, err = unix.Read(int(fd), buffer[:])
		}
		if n > 0 {
			return true
		}
		buffers.Put(buffer)
		buffer = nil
		return err != unix.EAGAIN
	})
	if closed != nil {
		return nil, 0, closed
	}
	return buffer, n, err
}
