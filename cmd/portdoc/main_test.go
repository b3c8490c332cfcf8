package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"portdoc/netstate/netstatetest"
)

// update makes the tests write their golden files instead of comparing.
var update = flag.Bool("update", false, "write golden files")

// roles are what the test binary can be besides a test. Each test file adds
// its own in an init function.
var roles = netstatetest.Roles{"listener": listenerRole}

// TestMain runs the tests in a network namespace, where this binary is also
// found as "portdoc".
func TestMain(m *testing.M) {
	roles.Run()
	testscript.Main(namespaced{m}, map[string]func(){"portdoc": main})
}

// namespaced runs tests in a network namespace of their own.
type namespaced struct{ *testing.M }

func (n namespaced) Run() int { return netstatetest.Status(n.M) }

// listenerRole listens on the address that it is given and prints the port.
func listenerRole(arguments []string) {
	listener, err := net.Listen("tcp", arguments[0])
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	netstatetest.UntilInputEnds()
}

// golden compares text with a golden file, exactly.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./cmd/portdoc -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
