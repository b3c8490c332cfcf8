package echo

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"sync"
)

// heldBytes is how much of a line that has not ended yet is held back, so that
// another client's line does not come in between. What is longer is printed
// in pieces.
const heldBytes = 4 << 10

// Printer writes what a server has to say. Lines of different clients are
// never mixed, apart from lines longer than 4 KiB. It may be used by many
// goroutines at once.
type Printer struct {
	// Out gets events and the lines received; nil prints none of them. What
	// it can't take is lost: the server goes on.
	Out io.Writer
	// Err gets errors.
	Err io.Writer
	// Terminal tells that Out is a terminal, which must not get the control
	// characters that a client sends.
	Terminal bool

	mu     sync.Mutex
	buffer *bufio.Writer
	// unfinished is the line at the end of the output that has no newline.
	unfinished *line
}

// line is the line that a client has begun and not ended yet.
type line struct{ held []byte }

// Event prints a line about what happened.
func (p *Printer) Event(format string, arguments ...any) {
	if p.Out != nil {
		p.print(nil, fmt.Appendf(nil, format+"\n", arguments...))
	}
}

// Error prints a line about what went wrong.
func (p *Printer) Error(format string, arguments ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLine(nil)
	fmt.Fprintf(p.Err, format+"\n", arguments...)
}

// received prints the lines in data and holds back the one that it begins.
func (p *Printer) received(l *line, data []byte) {
	if p.Out == nil {
		return
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	if len(l.held)+len(data)-end > heldBytes {
		end = len(data)
	}
	if end > 0 {
		p.print(l, l.held, data[:end])
		l.held = nil
	}
	l.held = append(l.held, data[end:]...)
}

// ended prints what is left of a client's last line.
func (p *Printer) ended(l *line) {
	if len(l.held) > 0 {
		p.print(l, l.held)
		l.held = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLine(nil)
}

// print writes pieces that belong to l; nil is the server's own text.
func (p *Printer) print(l *line, pieces ...[]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.buffer == nil {
		p.buffer = bufio.NewWriterSize(p.Out, 2*heldBytes)
	}
	p.endLine(l)
	for _, piece := range pieces {
		if p.Terminal && l != nil {
			piece = escaped(piece)
		}
		p.buffer.Write(piece)
		if len(piece) > 0 && piece[len(piece)-1] != '\n' {
			p.unfinished = l
		} else if len(piece) > 0 {
			p.unfinished = nil
		}
	}
	p.buffer.Flush()
}

// endLine ends an unfinished line at the end of the output, unless it is l
// that goes on with it.
func (p *Printer) endLine(l *line) {
	if p.unfinished == nil || p.unfinished == l {
		return
	}
	p.unfinished = nil
	p.buffer.WriteByte('\n')
	p.buffer.Flush()
}
