package netstate

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// readUnixPaths, which other systems use, is the same calls here.
func TestReadUnixPaths(t *testing.T) {
	d := directory(t)
	openUnix(t, unix.SOCK_STREAM, d+"/stream", true)
	openUnix(t, unix.SOCK_DGRAM, d+"/dgram", false)
	openUnix(t, unix.SOCK_SEQPACKET, d+"/bound", false)
	stale(t, d+"/stale")
	for _, err := range []error{os.WriteFile(d+"/file", nil, 0o600), os.Symlink("stream", d+"/link")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	owners := Limit{Kind: LimitPath, Network: Unix, Why: "they are not looked for on this system"}
	for name, want := range map[string]struct {
		kind    PathKind
		connect string
		limited bool
	}{
		"stream":  {PathSocket, "EPROTOTYPE", true},
		"dgram":   {PathSocket, "ok", true},
		"bound":   {PathSocket, "EPROTOTYPE", true},
		"link":    {PathSymlink, "EPROTOTYPE", true},
		"stale":   {PathSocket, "ECONNREFUSED", false},
		"file":    {PathRegular, "", false},
		"nothing": {PathAbsent, "", false},
	} {
		s := &Snapshot{Query: unixQuery(d + "/" + name)}
		readUnixPaths(s)
		var limits []Limit
		if want.limited {
			owners.What = "the processes that have the socket at " + d + "/" + name
			limits = []Limit{owners}
		}
		if p := s.Paths[0]; p.Kind != want.kind || p.Connect != want.connect || p.Errno != "" {
			t.Errorf("%s: %+v", name, p)
		}
		if diff := cmp.Diff(limits, s.Limits); diff != "" {
			t.Errorf("%s: limits (-want +got):\n%s", name, diff)
		}
	}
}

// An abstract name is never called free where there are no such names.
func TestReadUnixPathsAbstract(t *testing.T) {
	s := &Snapshot{Query: unixQuery("@name")}
	readUnixPaths(s)
	if len(s.Paths) != 0 || len(s.Limits) != 1 || s.Limits[0].Kind != LimitUnsupported {
		t.Errorf("%+v", s)
	}
}

func unixQuery(path string) Query {
	return Query{Endpoints: []Endpoint{{Network: Unix, Path: path}}}
}
