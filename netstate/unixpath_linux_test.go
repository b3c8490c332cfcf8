package netstate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

func init() {
	roles["unix sockets on a read-only file system"] = func(arguments []string) {
		must(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(unix.Mount("none", arguments[0], "tmpfs", unix.MS_RDONLY, ""))
		printJSON(readUnix(arguments[0] + "/s"))
	}
	roles["unix sockets on overlayfs"] = overlayRole
}

// overlayRole binds on an overlay whose layers are on different file systems:
// st_dev of a socket there is not the overlay's device.
func overlayRole(arguments []string) {
	directory := arguments[0]
	must(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	for _, layer := range []string{"/lower", "/upper"} {
		must(os.Mkdir(directory+layer, 0o755))
		must(unix.Mount("none", directory+layer, "tmpfs", 0, ""))
	}
	for _, made := range []string{"/upper/files", "/upper/work", "/merged"} {
		must(os.Mkdir(directory+made, 0o755))
	}
	must(unix.Mount("none", directory+"/merged", "overlay", 0,
		fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper/files,workdir=%[1]s/upper/work", directory)))
	must(os.Chdir(directory + "/merged"))
	_, err := bindUnix(unix.SOCK_STREAM, "s", true)
	must(err)
	printJSON(readUnix(directory + "/merged/s"))
}

func TestUnixPathKinds(t *testing.T) {
	d := directory(t)
	live := openUnix(t, unix.SOCK_STREAM, d+"/live", true)
	stale(t, d+"/stale")
	for _, err := range []error{
		os.WriteFile(d+"/file", nil, 0o600),
		os.Mkdir(d+"/directory", 0o700),
		unix.Mkfifo(d+"/fifo", 0o600),
		os.Symlink("live", d+"/to-live"),
		os.Symlink("stale", d+"/to-stale"),
		os.Symlink("file", d+"/to-file"),
		os.Symlink("nothing", d+"/to-nothing"),
		os.Symlink("to-itself", d+"/to-itself"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name    string
		kind    PathKind
		connect string
		rows    int
	}{
		{"live", PathSocket, "EPROTOTYPE", 1},
		{"stale", PathSocket, "ECONNREFUSED", 0},
		{"file", PathRegular, "", 0},
		{"directory", PathDirectory, "", 0},
		{"fifo", PathOther, "", 0},
		{"to-live", PathSymlink, "EPROTOTYPE", 1},
		{"to-stale", PathSymlink, "ECONNREFUSED", 0},
		{"to-file", PathSymlink, "", 0},
		{"to-nothing", PathSymlink, "", 0},
		{"to-itself", PathSymlink, "", 0},
	} {
		s := readUnix(d + "/" + test.name)
		p := s.Paths[0]
		if p.Kind != test.kind || p.Connect != test.connect || p.Errno != "" || len(s.Unix) != test.rows {
			t.Errorf("%s: %+v, %d sockets", test.name, p, len(s.Unix))
		}
		if test.rows == 1 && s.Unix[0].Inode != inode(t, live) {
			t.Errorf("%s: %+v", test.name, s.Unix)
		}
	}
}

func TestUnixPathAbsent(t *testing.T) {
	d := directory(t)
	if err := os.WriteFile(d+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	long := d + "/" + strings.Repeat("x", maxUnixPath-len(d)-1)
	for _, test := range []struct{ path, errno string }{
		{d + "/nothing", ""},
		{d + "/missing/nothing", "ENOENT"},
		{d + "/file/nothing", "ENOTDIR"},
		{long, ""},
		{long + "x", "ENAMETOOLONG"},
		{d + "/" + strings.Repeat("x", 300), "ENAMETOOLONG"},
	} {
		s := readUnix(test.path)
		if p := s.Paths[0]; p.Kind != PathAbsent || p.Errno != test.errno || p.Connect != "" || len(s.Limits) != 0 {
			t.Errorf("%s: %+v %v", test.path, p, s.Limits)
		}
	}
	if left, err := filepath.Glob(d + "/*"); err != nil || len(left) != 1 {
		t.Errorf("in the directory: %v %v", left, err)
	}
}

func TestUnixPathReadOnly(t *testing.T) {
	command := netstatetest.Command("unix sockets on a read-only file system", directory(t))
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	s := ask[Snapshot](t, command)
	if p := s.Paths[0]; p.Kind != PathAbsent || p.Errno != "EROFS" {
		t.Errorf("%+v", p)
	}
}

func TestUnixSocketOnOverlay(t *testing.T) {
	d := directory(t)
	command := netstatetest.Command("unix sockets on overlayfs", d)
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	s := ask[Snapshot](t, command)
	if len(s.Unix) != 1 || s.Unix[0].Path != "s" || s.Unix[0].FileDevice != s.Paths[0].Device ||
		s.Unix[0].FileInode != s.Paths[0].Inode || s.Paths[0].Connect != "EPROTOTYPE" {
		t.Errorf("%+v", s)
	}
}

func TestUnixPathWithoutPermission(t *testing.T) {
	d := directory(t)
	listener := d + "/listener"
	openUnix(t, unix.SOCK_STREAM, listener, true)
	openUnix(t, unix.SOCK_STREAM, d+"/listener.closed", true)
	for _, err := range []error{
		os.Chmod(d+"/listener.closed", 0),
		os.Mkdir(d+"/unreadable", 0),
		os.Mkdir(d+"/unwritable", 0o500),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		path           string
		kind           PathKind
		errno, connect string
		limits, rows   int
	}{
		{listener, PathSocket, "", "EPROTOTYPE", 0, 1},
		{d + "/listener.closed", PathSocket, "", "EACCES", 1, 1},
		{d + "/unreadable/s", PathUnknown, "EACCES", "", 1, 0},
		{d + "/unwritable/s", PathAbsent, "EACCES", "", 0, 0},
	} {
		s := ask[Snapshot](t, netstatetest.Command("unix sockets without capabilities", test.path))
		p := s.Paths[0]
		if p.Kind != test.kind || p.Errno != test.errno || p.Connect != test.connect ||
			len(s.Unix) != test.rows || len(s.Limits) != test.limits {
			t.Errorf("%s: %+v", test.path, s)
		}
		for _, limit := range s.Limits {
			if limit.Kind != LimitPath || !strings.Contains(limit.What, test.path) || !strings.Contains(limit.Why, "EACCES") {
				t.Errorf("%s: %+v", test.path, limit)
			}
		}
	}
}

// A path may be too long to be connected to, and the socket bound from inside
// its directory.
func TestUnixSocketAtLongPath(t *testing.T) {
	d := directory(t) + "/" + strings.Repeat("x", maxUnixPath)
	if err := os.Mkdir(d, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(d)
	openUnix(t, unix.SOCK_STREAM, "s", true)
	s := readUnix(d + "/s")
	if p := s.Paths[0]; len(s.Unix) != 1 || p.Kind != PathSocket || p.Errno != "ENAMETOOLONG" || p.Connect != "" {
		t.Errorf("%+v", s)
	}
}
