package netstate

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

// cgroups makes two nested cgroups for a test, and returns their directories.
func cgroups(t *testing.T, mount cgroupMount) (outer, inner string) {
	t.Helper()
	if netstatetest.Ordinary() {
		t.Skip("needs root: cgroups are made")
	}
	if mount.point == "" {
		t.Skip("needs a mounted cgroup hierarchy of the kind")
	}
	outer = filepath.Join(mount.point, fmt.Sprintf("portdoc-test-%d", os.Getpid()))
	inner = filepath.Join(outer, "inner")
	for _, directory := range []string{outer, inner} {
		if err := os.Mkdir(directory, 0o755); err != nil {
			t.Skipf("needs to make cgroups: %v", err)
		}
		t.Cleanup(func() { removeCgroup(t, directory) })
	}
	return outer, inner
}

// removeCgroup removes a cgroup once the processes in it have ended, which
// takes a moment after they were waited for.
func removeCgroup(t *testing.T, directory string) {
	for {
		err := unix.Rmdir(directory)
		if err == nil {
			return
		}
		if err != unix.EBUSY {
			t.Errorf("removing %s: %v", directory, err)
			return
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// frozenHolder starts an owner of a listener in a cgroup.
func frozenHolder(t *testing.T, directory string) Socket {
	t.Helper()
	listener := ownListener(t)
	process := listener.heldBy(t, "hold")
	write(t, directory+"/cgroup.procs", strconv.Itoa(process.Process.Pid))
	return listener.row
}

func mounts(t *testing.T) cgroupMounts {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return parseCgroupMounts(text)
}

func TestFrozenByCgroup2(t *testing.T) {
	outer, inner := cgroups(t, mounts(t).unified)
	row := frozenHolder(t, inner)
	checkFrozen(t, row, Running, "")
	write(t, outer+"/cgroup.freeze", "1")
	t.Cleanup(func() { write(t, outer+"/cgroup.freeze", "0") })
	for !frozenEvent(readFile(inner + "/cgroup.events")) {
	}
	checkFrozen(t, row, Frozen, outer)
}

func TestFrozenByFreezer(t *testing.T) {
	outer, inner := cgroups(t, mounts(t).freezer)
	row := frozenHolder(t, inner)
	checkFrozen(t, row, Running, "")
	write(t, outer+"/freezer.state", "FROZEN")
	t.Cleanup(func() { write(t, outer+"/freezer.state", "THAWED") })
	for line(inner+"/freezer.state") != "FROZEN" {
	}
	checkFrozen(t, row, Frozen, outer)
}

func checkFrozen(t *testing.T, row Socket, state ProcessState, by string) {
	t.Helper()
	_, p := owner(t, row)
	if p.State != state || p.FrozenBy != by {
		t.Errorf("state %q, frozen by %q, want %q by %q", p.State, p.FrozenBy, state, by)
	}
	if !strings.HasSuffix(p.Cgroup, "/inner") {
		t.Errorf("cgroup %q, want one that ends in /inner", p.Cgroup)
	}
}

func TestFindCgroups(t *testing.T) {
	mount := mounts(t).unified
	_, inner := cgroups(t, mount)
	var root, leaf unix.Stat_t
	if err := unix.Stat(mount.point, &root); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(inner, &leaf); err != nil {
		t.Fatal(err)
	}
	found := map[uint64]string{root.Ino: "", leaf.Ino: "", 1 << 60: ""}
	findCgroups(mount, found)
	path := strings.TrimSuffix(mount.root, "/") + strings.TrimPrefix(inner, mount.point)
	if found[root.Ino] != mount.root || found[leaf.Ino] != path || found[1<<60] != "" {
		t.Errorf("found %v, want %q and %q", found, mount.root, path)
	}
}

// TestOwnerlessSocketCgroup looks a cgroup up through the snapshot: only for
// the socket that has no owner.
func TestOwnerlessSocketCgroup(t *testing.T) {
	mount := mounts(t).unified
	var root unix.Stat_t
	if mount.point == "" || unix.Stat(mount.point, &root) != nil {
		t.Skip("needs a mounted cgroup v2 hierarchy")
	}
	listener, ownerless := ownListener(t), inFlight(t)
	listener.row.CgroupID, ownerless.CgroupID = root.Ino, root.Ino
	s := owners(t, listener.row, ownerless)
	if s.Sockets[0].Cgroup != "" || s.Sockets[1].Cgroup != mount.root {
		t.Errorf("cgroups %q and %q, want none and %q", s.Sockets[0].Cgroup, s.Sockets[1].Cgroup, mount.root)
	}
}
