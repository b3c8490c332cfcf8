package netstate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseCgroups(t *testing.T) {
	for text, want := range map[string]cgroupPaths{
		"0::/user.slice/a:b\n":                        {unified: "/user.slice/a:b"},
		"9:name=systemd:/s\n6:cpu,freezer:/f\n0::/\n": {unified: "/", freezer: "/f", systemd: "/s"},
		"":       {},
		"broken": {},
	} {
		if got := parseCgroups([]byte(text)); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	for want, paths := range map[string]cgroupPaths{
		"/u": {unified: "/u", systemd: "/s"},
		"/s": {unified: "/", systemd: "/s", freezer: "/f"},
		"/f": {unified: "/", freezer: "/f"},
		"/":  {unified: "/"},
		"":   {},
	} {
		if got := paths.main(); got != want {
			t.Errorf("%+v: %q, want %q", paths, got, want)
		}
	}
}

const containerID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestUnitAndContainer(t *testing.T) {
	tests := []struct {
		cgroup, unit string
		user         bool
		container    string
	}{
		{"/", "", false, ""},
		{"", "", false, ""},
		{"/init.scope", "", false, ""},
		{"/system.slice/nginx.service", "nginx.service", false, ""},
		{"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", false, ""},
		{"/system.slice/a\\x2db.service/sub", "a\\x2db.service", false, ""},
		{"/system.slice/_cgroup.service", "cgroup.service", false, ""},
		{"/user.slice/user-1000.slice/session-3.scope", "", false, ""},
		{"/user.slice/user-1000.slice/user@1000.service/init.scope", "", false, ""},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", "foo.service", true, ""},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-x-12.scope", "app-gnome-x-12.scope", true, ""},
		{"/machine.slice/machine-box.scope", "machine-box.scope", false, ""},
		{"/docker/" + containerID, "", false, containerID},
		{"/system.slice/docker-" + containerID + ".scope", "", false, containerID},
		{"/machine.slice/libpod-" + containerID + ".scope/container", "", false, containerID},
		{"/machine.slice/libpod-conmon-" + containerID + ".scope", "", false, containerID},
		{"/system.slice/web.service/libpod-payload-" + containerID, "web.service", false, containerID},
		{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-" + containerID + ".scope", "", false, containerID},
		{"/kubepods/burstable/pod1/" + containerID, "", false, containerID},
		{"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" + containerID, "containerd.service", false, containerID},
		{"/docker/" + strings.ToUpper(containerID), "", false, ""},
		{"/docker/" + containerID[1:], "", false, ""},
	}
	for _, test := range tests {
		unit, user := unitOf(test.cgroup)
		if container := containerOf(test.cgroup); unit != test.unit || user != test.user || container != test.container {
			t.Errorf("%s: unit %q (user's: %v), container %q; want %q (%v), %q",
				test.cgroup, unit, user, container, test.unit, test.user, test.container)
		}
	}
}

func TestParseCgroupMounts(t *testing.T) {
	text := `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
31 24 0:27 /docker/1 /sys/fs/cgroup/my\040freezer rw,relatime shared:9 master:2 - cgroup cgroup rw,freezer
33 24 0:28 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
34 24 0:28 / /elsewhere rw - cgroup2 cgroup2 rw
35 broken - cgroup2
`
	want := cgroupMounts{
		unified: cgroupMount{"/sys/fs/cgroup/unified", "/"},
		freezer: cgroupMount{"/sys/fs/cgroup/my freezer", "/docker/1"},
	}
	if diff := cmp.Diff(want, parseCgroupMounts([]byte(text)), cmp.AllowUnexported(cgroupMounts{}, cgroupMount{})); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
}

func TestCgroupDirectory(t *testing.T) {
	tests := []struct {
		mount     cgroupMount
		cgroup    string
		directory string
	}{
		{cgroupMount{"/sys/fs/cgroup", "/"}, "/a/b", "/sys/fs/cgroup/a/b"},
		{cgroupMount{"/sys/fs/cgroup", "/"}, "/", "/sys/fs/cgroup"},
		{cgroupMount{"/sys/fs/cgroup", "/docker/1"}, "/docker/1", "/sys/fs/cgroup"},
		{cgroupMount{"/sys/fs/cgroup", "/docker/1"}, "/docker/1/x", "/sys/fs/cgroup/x"},
		{cgroupMount{"/sys/fs/cgroup", "/docker/1"}, "/docker/12", ""},
		{cgroupMount{"/sys/fs/cgroup", "/"}, "/../a", ""},
		{cgroupMount{}, "/a", ""},
	}
	for _, test := range tests {
		if got, ok := test.mount.directory(test.cgroup); got != test.directory || ok != (got != "") {
			t.Errorf("%q in %+v: %q, %v, want %q", test.cgroup, test.mount, got, ok, test.directory)
		}
	}
}
