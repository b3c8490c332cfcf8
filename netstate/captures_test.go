package netstate

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// macOSCaptures is where the outputs of programs of macOS are.
const macOSCaptures = "../testdata/captures/macos"

func readCapture(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(macOSCaptures, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCapturesMacOS pins what is read in every capture.
func TestCapturesMacOS(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(macOSCaptures, "*.txt"))
	if err != nil || len(files) < 9 {
		t.Fatalf("%d captures: %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			compareGolden(t, strings.TrimSuffix(file, ".txt")+".golden", decodedCapture(t, name))
		})
	}
}

func decodedCapture(t *testing.T, name string) string {
	var b strings.Builder
	if strings.HasPrefix(name, "lsof") {
		files, err := parseLsof(readCapture(t, name))
		for _, f := range files {
			fmt.Fprintf(&b, "%d fd %d %s %s\n", f.pid, f.fd, f.network, describePlace(f.local.String(), f.remote.IsValid(), f.remote.String()))
		}
		return b.String() + describeError(err)
	}
	sockets, err := parseNetstat(TCP, readCapture(t, name))
	for _, s := range sockets {
		fmt.Fprintf(&b, "%s %s %s", s.Family, s.State, describePlace(s.Local.String(), s.Remote.IsValid(), s.Remote.String()))
		fmt.Fprintf(&b, " pid %d open %t number %d queues %d %d", s.LastPID, s.open, s.Inode, s.ReceiveQueue, s.SendQueue)
		fmt.Fprintf(&b, " reuseaddr %s reuseport %s v6only %s origin %q\n",
			describeOption(s.Options.ReuseAddr), describeOption(s.Options.ReusePort), describeOption(s.Options.V6Only), s.Origin)
	}
	return b.String() + describeError(err)
}

func describePlace(local string, connected bool, remote string) string {
	if connected {
		return local + " to " + remote
	}
	return local
}

func describeOption(value *bool) string {
	if value == nil {
		return "?"
	}
	return fmt.Sprint(*value)
}

func describeError(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf("error: %v\n", err)
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}
