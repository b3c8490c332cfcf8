package netstate

import (
	"bytes"
	"path"
	"strconv"
	"strings"
)

// cgroupPaths are the cgroups of a process, from /proc/PID/cgroup
// (cgroups(7)); "" where it is in none of the kind.
type cgroupPaths struct {
	unified string // the cgroup v2 hierarchy
	freezer string // the v1 freezer
	systemd string // the v1 hierarchy that systemd names its units in
}

// parseCgroups decodes /proc/PID/cgroup: lines "ID:CONTROLLERS:PATH", ID 0 and
// no controllers for v2.
func parseCgroups(text []byte) cgroupPaths {
	var paths cgroupPaths
	for line := range bytes.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(fields) < 3 {
			continue
		}
		if fields[0] == "0" && fields[1] == "" {
			paths.unified = fields[2]
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			switch controller {
			case "freezer":
				paths.freezer = fields[2]
			case "name=systemd":
				paths.systemd = fields[2]
			}
		}
	}
	return paths
}

// main is the path that says most about what the process belongs to: v2's,
// unless that is the root and a v1 hierarchy has more.
func (c cgroupPaths) main() string {
	for _, path := range []string{c.unified, c.systemd, c.freezer} {
		if path != "" && path != "/" {
			return path
		}
	}
	return c.unified
}

// unitOf finds the systemd unit in a cgroup path, as systemctl wants it
// written: the first name that is no slice, and below user@UID.service the
// first one of the user's own manager. It is "" for what is not stopped as a
// unit: login sessions, the managers themselves, and a container's own scope.
func unitOf(cgroup string) (unit string, user bool) {
	names := withoutSlices(strings.Split(strings.TrimPrefix(cgroup, "/"), "/"))
	if len(names) > 0 && strings.HasPrefix(names[0], "user@") && strings.HasSuffix(names[0], ".service") {
		names, user = withoutSlices(names[1:]), true
	}
	if len(names) == 0 {
		return "", false
	}
	unit = strings.TrimPrefix(names[0], "_") // systemd's escape of names that the kernel uses
	switch path.Ext(unit) {
	case ".service", ".scope", ".socket", ".mount", ".swap":
	default:
		return "", false
	}
	session := strings.HasPrefix(unit, "session-") && strings.HasSuffix(unit, ".scope")
	if session || unit == "init.scope" || containerName(unit) != "" {
		return "", false
	}
	return unit, user
}

// withoutSlices drops the slices at the start of a cgroup path.
func withoutSlices(names []string) []string {
	for len(names) > 0 && strings.HasSuffix(names[0], ".slice") {
		names = names[1:]
	}
	return names
}

// containerOf finds the id of the outermost container in a cgroup path. Docker,
// podman, CRI-O and containerd end one name of it with the id, 64 hexadecimal
// digits: docker-ID.scope, libpod-ID.scope, libpod-conmon-ID.scope,
// crio-ID.scope, cri-containerd-ID.scope, SLICE:cri-containerd:ID, or bare.
func containerOf(cgroup string) string {
	for name := range strings.SplitSeq(cgroup, "/") {
		if id := containerName(name); id != "" {
			return id
		}
	}
	return ""
}

// containerName is the container id at the end of one name, "" for none.
func containerName(name string) string {
	name = strings.TrimSuffix(name, ".scope")
	id := name[strings.LastIndexAny(name, "-:")+1:]
	if len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}

// cgroupMount is a mounted cgroup hierarchy.
type cgroupMount struct {
	// point is where it is mounted, and root the cgroup that is seen there.
	point, root string
}

// directory is where a cgroup is found in the file system; false if this mount
// does not show it.
func (m cgroupMount) directory(cgroup string) (string, bool) {
	below, ok := strings.CutPrefix(cgroup, strings.TrimSuffix(m.root, "/"))
	if m.point == "" || !ok || below != "" && below[0] != '/' || strings.HasPrefix(below, "/..") {
		return "", false
	}
	return strings.TrimSuffix(m.point+below, "/"), true
}

// cgroupMounts are the hierarchies that matter; a zero mount is not there.
type cgroupMounts struct{ unified, freezer cgroupMount }

// parseCgroupMounts finds them in /proc/self/mountinfo
// (proc_pid_mountinfo(5)): the root is field 4 and the mount point 5, and
// after a field "-" come the type, the source and the options.
func parseCgroupMounts(mountinfo []byte) cgroupMounts {
	var mounts cgroupMounts
	for line := range bytes.Lines(mountinfo) {
		if !bytes.Contains(line, []byte(" - cgroup")) {
			continue
		}
		before, after, _ := strings.Cut(string(line), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(kind) < 3 {
			continue
		}
		mount := cgroupMount{root: unescapeMount(fields[3]), point: unescapeMount(fields[4])}
		options := "," + kind[2] + ","
		switch {
		case kind[0] == "cgroup2" && mounts.unified.point == "":
			mounts.unified = mount
		case kind[0] == "cgroup" && mounts.freezer.point == "" && strings.Contains(options, ",freezer,"):
			mounts.freezer = mount
		}
	}
	return mounts
}

// unescapeMount replaces the octal escapes of mountinfo, as \040 for a space.
func unescapeMount(text string) string {
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if c, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				plain.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		plain.WriteByte(text[i])
	}
	return plain.String()
}

// frozenEvent tells whether the text of a cgroup v2's cgroup.events says that
// it is frozen, by itself or from above.
func frozenEvent(text []byte) bool {
	for line := range bytes.Lines(text) {
		if string(bytes.TrimSpace(line)) == "frozen 1" {
			return true
		}
	}
	return false
}
