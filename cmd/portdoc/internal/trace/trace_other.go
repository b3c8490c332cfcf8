//go:build !linux

package trace

import (
	"os"
	"time"
)

// HoldLimit is the longest time that a call is held.
const HoldLimit = 0 * time.Second

// Tracer watches the calls of what is started by [Tracer.Start].
type Tracer struct{}

// New returns [ErrUnsupported].
func New(Handler) (*Tracer, error) { return nil, ErrUnsupported }

// Start calls fork.
func (t *Tracer) Start(fork func() error) error { return fork() }

// Finish does nothing.
func (t *Tracer) Finish(time.Duration) {}

// Close does nothing.
func (t *Tracer) Close() {}

// Files returns none.
func (t *Tracer) Files() []*os.File { return nil }

// Guard does nothing.
func Guard([]*os.File, *os.File) {}
