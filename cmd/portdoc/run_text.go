package main

import (
	"sync"
	"time"

	"portdoc/diagnose/errortext"
)

const (
	// textRest is how long what a command wrote is waited for when it has
	// ended and its children keep standard error open.
	textRest = 200 * time.Millisecond
	// mostPieces bounds what waits to be read: beyond that it is not read,
	// the command never waits.
	mostPieces = 1024
)

// textReader explains the failures that a command's error messages tell of,
// while it runs.
type textReader struct {
	pieces chan []byte
	ended  chan struct{} // closed at the end of the text
	done   chan struct{} // closed when all is explained
	stop   chan struct{}
	once   sync.Once
}

func newTextReader(r *runReporter) *textReader {
	t := &textReader{pieces: make(chan []byte, mostPieces), ended: make(chan struct{}), done: make(chan struct{}), stop: make(chan struct{})}
	go t.read(errortext.NewScanner(r.textFailure))
	return t
}

// add takes what the command has just written.
func (t *textReader) add(piece []byte) {
	select {
	case t.pieces <- append([]byte(nil), piece...):
	default:
	}
}

func (t *textReader) end() { close(t.ended) }

// finish returns when what has come by now is explained.
func (t *textReader) finish() {
	select {
	case <-t.ended:
	case <-time.After(textRest):
	}
	t.once.Do(func() { close(t.stop) })
	select {
	case <-t.done:
	case <-time.After(finishLimit):
	}
}

func (t *textReader) read(s *errortext.Scanner) {
	defer close(t.done)
	pause := time.NewTimer(logPause)
	defer pause.Stop()
	for {
		select {
		case piece := <-t.pieces:
			s.Write(piece)
			pause.Reset(logPause)
		case <-pause.C:
			s.Settle()
		case <-t.stop:
			t.rest(s)
			return
		}
	}
}

// rest reads what waits.
func (t *textReader) rest(s *errortext.Scanner) {
	for {
		select {
		case piece := <-t.pieces:
			s.Write(piece)
		default:
			s.Close()
			return
		}
	}
}
