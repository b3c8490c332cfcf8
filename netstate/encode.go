package netstate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxSnapshot is the size in bytes of the largest snapshot that is read: some
// 500,000 sockets.
const maxSnapshot = 256 << 20

// ErrSnapshot is what every error of [ReadSnapshot] is about, other than one
// of its reader: the input is no snapshot, or a damaged one.
var ErrSnapshot = errors.New("not a usable snapshot")

// Write writes the snapshot as indented JSON, which [ReadSnapshot] reads on
// any system. Bytes that are not UTF-8 in names and paths are written as
// U+FFFD.
func (s *Snapshot) Write(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(s)
}

// ReadSnapshot reads what [Snapshot.Write] wrote, and nothing may follow it.
// Fields and names of states and kinds that this version does not know are
// accepted: a later version may have added them to the same schema. What no
// system can have said is an error: negative process ids, ranges that end
// before they begin. Errors are [ErrSnapshot] or those of r.
func ReadSnapshot(r io.Reader) (*Snapshot, error) { return readSnapshot(r, maxSnapshot) }

func readSnapshot(r io.Reader, limit int64) (*Snapshot, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrSnapshot, limit)
	}
	if err := checkSchema(text); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	s := new(Snapshot)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, explainJSON(err))
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return s, nil
}

// checkSchema looks at the schema alone, so that another one is not taken for
// a damaged snapshot.
func checkSchema(text []byte) error {
	if len(strings.TrimSpace(string(text[:min(len(text), 512)]))) == 0 {
		return errors.New("it is empty")
	}
	var head struct {
		Schema *string `json:"schema"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return explainJSON(err)
	}
	if head.Schema == nil {
		return fmt.Errorf("it has no schema; %q is read here", SnapshotSchema)
	}
	if *head.Schema != SnapshotSchema {
		return fmt.Errorf("its schema is %q; %q is read here", *head.Schema, SnapshotSchema)
	}
	return nil
}

// explainJSON says what is wrong with a text, and where.
func explainJSON(err error) error {
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		switch message := syntax.Error(); {
		case strings.HasPrefix(message, "unexpected end"):
			return fmt.Errorf("it is cut off after %d bytes", syntax.Offset)
		case strings.HasSuffix(message, "after top-level value"):
			return fmt.Errorf("more follows it at byte %d", syntax.Offset)
		default:
			return fmt.Errorf("it is not JSON: %s at byte %d", message, syntax.Offset)
		}
	}
	if kind := (*json.UnmarshalTypeError)(nil); errors.As(err, &kind) {
		if kind.Field == "" {
			return fmt.Errorf("it is a JSON %s and no object", kind.Value)
		}
		return fmt.Errorf("%s can't be a JSON %s", kind.Field, kind.Value)
	}
	return err
}

// WithoutArguments returns a copy of the snapshot in which the processes'
// commands have lost their arguments: those may be secrets. Of argv[0] only
// the first word is kept unless it is the executable's path, because programs
// write their arguments there as well.
func (s *Snapshot) WithoutArguments() *Snapshot {
	shorter := *s
	shorter.Processes = slices.Clone(s.Processes)
	for i, p := range shorter.Processes {
		if len(p.Command) == 0 {
			continue
		}
		name := p.Command[0]
		if name != p.Exe {
			name, _, _ = strings.Cut(name, " ")
		}
		shorter.Processes[i].Command = []string{name}
	}
	return &shorter
}
