package netstate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrSnapshot is returned for a file that is no snapshot.
var ErrSnapshot = errors.New("not a portdoc snapshot")

// Write encodes the snapshot.
func (s *Snapshot) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

// ReadSnapshot decodes a snapshot.
func ReadSnapshot(r io.Reader) (*Snapshot, error) {
	s := new(Snapshot)
	if err := json.NewDecoder(r).Decode(s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return s, nil
}

// WithoutArguments is a copy without command lines.
func (s *Snapshot) WithoutArguments() *Snapshot {
	t := *s
	t.Processes = append([]Process(nil), s.Processes...)
	for i := range t.Processes {
		t.Processes[i].Command = nil
	}
	return &t
}
