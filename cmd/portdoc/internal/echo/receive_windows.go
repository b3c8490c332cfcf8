package echo

import "io"

// receive waits for what the client sends. Like recv it answers 0 without an
// error when the client has closed; there is a buffer only with n > 0.
func (c *session) receive() (buffer *[bufferBytes]byte, n int, err error) {
	buffer = buffers.Get().(*[bufferBytes]byte)
	n, err = c.conn.Read(buffer[:])
	if n > 0 {
		return buffer, n, nil
	}
	buffers.Put(buffer)
	if err == io.EOF {
		err = nil
	}
	return nil, 0, err
}
