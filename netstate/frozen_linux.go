package netstate

import (
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// readCgroupMounts finds where the cgroup hierarchies are mounted.
func readCgroupMounts(proc *procfs) cgroupMounts {
	text, err := proc.read("self/mountinfo")
	if err != nil {
		return cgroupMounts{}
	}
	return parseCgroupMounts(text)
}

// frozenBy tells whether a process's cgroup is frozen, and by which one: the
// directory of the topmost that is told to be, "" where it can't be seen.
//
// Version 2 says so in cgroup.events, for what is above too, version 1 in
// freezer.state (Documentation/admin-guide/cgroup-v2.rst and
// cgroup-v1/freezer-subsystem.rst of the kernel).
func (m cgroupMounts) frozenBy(paths cgroupPaths) (directory string, frozen bool) {
	if paths.unified != "" && paths.unified != "/" {
		if directory, ok := m.unified.directory(paths.unified); ok && frozenEvent(readFile(directory+"/cgroup.events")) {
			return topmost(m.unified.point, directory, "cgroup.freeze"), true
		}
	}
	if paths.freezer != "" && paths.freezer != "/" {
		directory, ok := m.freezer.directory(paths.freezer)
		if state := line(directory + "/freezer.state"); ok && (state == "FROZEN" || state == "FREEZING") {
			return topmost(m.freezer.point, directory, "freezer.self_freezing"), true
		}
	}
	return "", false
}

// topmost finds the directory nearest to the mount point, on the way down to
// one, in which a file says 1.
func topmost(point, directory, file string) string {
	found := ""
	for ; len(directory) > len(point); directory = path.Dir(directory) {
		if line(directory+"/"+file) == "1" {
			found = directory
		}
	}
	return found
}

// readFile returns the text of a small file, nil where it can't be read.
func readFile(name string) []byte {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	return text
}

// line returns the text of a file of one line, "" where it can't be read.
func line(name string) string { return strings.TrimSpace(string(readFile(name))) }

// findCgroups fills in the paths of cgroups that are wanted by the inode
// number of their directory, which is the id that sockets remember. It walks
// the hierarchy until all are found; those removed since stay "".
func findCgroups(mount cgroupMount, wanted map[uint64]string) {
	if mount.point == "" {
		return
	}
	w := cgroupWalk{wanted: wanted, missing: len(wanted), buffer: make([]byte, 16<<10)}
	var status unix.Stat_t
	if unix.Stat(mount.point, &status) == nil {
		w.found(status.Ino, mount.root)
	}
	w.below(mount.point, strings.TrimSuffix(mount.root, "/"))
}

// cgroupWalk is a walk of a cgroup hierarchy.
type cgroupWalk struct {
	wanted  map[uint64]string
	missing int
	buffer  []byte
}

func (w *cgroupWalk) found(id uint64, cgroup string) {
	if path, ok := w.wanted[id]; ok && path == "" {
		w.wanted[id] = cgroup
		w.missing--
	}
}

// below looks at the cgroups in a directory. Their inode numbers are in its
// entries, so that none has to be opened for its own sake.
func (w *cgroupWalk) below(directory, cgroup string) {
	if w.missing == 0 {
		return
	}
	fd, err := unix.Open(directory, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	var names []string
	eachSubdirectory(fd, w.buffer, func(inode uint64, name string) {
		w.found(inode, cgroup+"/"+name)
		names = append(names, name)
	})
	unix.Close(fd)
	for _, name := range names {
		w.below(directory+"/"+name, cgroup+"/"+name)
	}
}
