package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portdoc/diagnose"
	"portdoc/netstate"
	"portdoc/netstate/netns"
	"portdoc/netstate/netstatetest"
)

// elsewhere are conditions that need a network namespace, or privileges, of
// their own. Each is made by a process that then asks itself why, with the
// arguments that the function returns.
var elsewhere = map[string]func() (arguments []string){
	"vxlan":           func() []string { return []string{addVXLAN() + "/udp"} },
	"last ack":        func() []string { return []string{halfClosed(netstate.StateLastAck)} },
	"closing":         func() []string { return []string{halfClosed(netstate.StateClosing)} },
	"IPv6 off":        func() []string { set("net/ipv6/conf/all/disable_ipv6", "1"); return []string{"[::1]:5188"} },
	"IPv6 on":         func() []string { return []string{"[::1]:5188"} },
	"range exhausted": func() []string { fillRange(2); return []string{"0"} },
	"range with room": func() []string { fillRange(1); return []string{"0"} },
}

func init() {
	roles["elsewhere"] = func(arguments []string) {
		must(netns.LoopbackUp())
		askAndStay(elsewhere[arguments[0]]())
	}
	roles["asker"] = askAndStay
}

// askAndStay prints a report and keeps what this process holds until the test
// is over.
func askAndStay(arguments []string) {
	_, out, _ := runInMemory(append([]string{"why", "--json"}, arguments...)...)
	fmt.Print(out)
	netstatetest.UntilInputEnds()
}

// whyElsewhere makes a condition in a network namespace of its own and returns
// the report of the process that made it.
func whyElsewhere(t *testing.T, name string) *diagnose.Report {
	t.Helper()
	command := netstatetest.Command("elsewhere", name)
	command.SysProcAttr = netns.New()
	return reportOf(t, command)
}

// whyPowerless asks in this network namespace, as a process that has no
// capability at all.
func whyPowerless(t *testing.T, arguments ...string) *diagnose.Report {
	t.Helper()
	command := netstatetest.Command("asker", arguments...)
	report := make(chan *diagnose.Report)
	go func() {
		defer close(report)
		// What a thread drops, the processes that it starts lack. The
		// thread ends with this goroutine.
		runtime.LockOSThread()
		for capability := range uintptr(unix.CAP_LAST_CAP + 1) {
			must(unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0))
		}
		report <- reportOf(t, command)
	}()
	r := <-report
	if r == nil {
		t.FailNow() // as the goroutine has said
	}
	return r
}

func reportOf(t *testing.T, command *exec.Cmd) *diagnose.Report {
	t.Helper()
	_, line := netstatetest.Run(t, command)
	report := new(diagnose.Report)
	must(json.Unmarshal([]byte(line), report))
	return report
}

func set(name, value string) {
	must(os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0))
}

// fillRange makes an ephemeral range of two ports and binds some of them.
func fillRange(ports int) {
	set("net/ipv4/ip_local_port_range", "40000 40001")
	for range ports {
		(&puppet{}).bind([]string{"tcp", "0.0.0.0:0"})
	}
}

func rangeExhausted(t *testing.T) *diagnose.Report { return whyElsewhere(t, "range exhausted") }
func rangeWithRoom(t *testing.T) *diagnose.Report  { return whyElsewhere(t, "range with room") }
func ipv6Off(t *testing.T) *diagnose.Report        { return whyElsewhere(t, "IPv6 off") }
func ipv6On(t *testing.T) *diagnose.Report         { return whyElsewhere(t, "IPv6 on") }
func lastAck(t *testing.T) *diagnose.Report        { return whyElsewhere(t, "last ack") }
func closing(t *testing.T) *diagnose.Report        { return whyElsewhere(t, "closing") }
func vxlanDevice(t *testing.T) *diagnose.Report    { return whyElsewhere(t, "vxlan") }

func privilegedPort(t *testing.T) *diagnose.Report   { return whyPowerless(t, "80") }
func unprivilegedPort(t *testing.T) *diagnose.Report { return whyPowerless(t, freePort(t)) }

func ownerOutOfSight(t *testing.T) *diagnose.Report {
	p := newPuppet(t)
	port := portOf(p.do("listen", "127.0.0.1:0"))
	p.do("hide")
	return whyPowerless(t, port)
}

func frozen(t *testing.T) *diagnose.Report {
	group, report := inCgroup(t)
	freeze(t, group, "1")
	defer freeze(t, group, "0")
	return report()
}

func thawed(t *testing.T) *diagnose.Report {
	group, report := inCgroup(t)
	freeze(t, group, "1")
	freeze(t, group, "0")
	return report()
}

// inCgroup puts a listener into a new cgroup and returns the cgroup's
// directory, and a function that asks about the listener's port.
func inCgroup(t *testing.T) (group string, report func() *diagnose.Report) {
	if netstatetest.Ordinary() {
		t.Skip("only root may make a cgroup")
	}
	group, err := os.MkdirTemp(cgroup2(t), "portdoc-test-*")
	must(err)
	t.Cleanup(func() { must(os.Remove(group)) })
	p := newPuppet(t)
	must(os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(p.pid())), 0))
	port := portOf(p.do("listen", "127.0.0.1:0"))
	return group, func() *diagnose.Report {
		report := why(t, port)
		if got := report.Sockets[0].Cgroup; got == nil || filepath.Base(*got) != filepath.Base(group) {
			t.Errorf("the socket's cgroup is %v, want %s", got, group)
		}
		return report
	}
}

// cgroup2 returns where the cgroup v2 hierarchy is mounted.
func cgroup2(t *testing.T) string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(err)
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); fields[2] == "cgroup2" {
			return fields[1]
		}
	}
	t.Skip("no cgroup v2 is mounted")
	return ""
}

// freeze freezes ("1") or thaws ("0") a cgroup and waits until it is done.
func freeze(t *testing.T, group, state string) {
	events, err := os.Open(filepath.Join(group, "cgroup.events"))
	must(err)
	defer events.Close()
	must(os.WriteFile(filepath.Join(group, "cgroup.freeze"), []byte(state), 0))
	for {
		text := make([]byte, 256)
		n, err := events.ReadAt(text, 0)
		if n == 0 {
			must(err)
		}
		if strings.Contains(string(text[:n]), "frozen "+state) {
			return
		}
		// kernfs wakes poll(2) with POLLPRI when the file has changed.
		unix.Poll([]unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}, 1000)
	}
}

// addVXLAN makes a vxlan device, whose UDP socket belongs to the kernel, and
// returns the socket's port.
func addVXLAN() string {
	const port = 4789
	connection, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	must(err)
	defer connection.Close()
	attributes := netlink.NewAttributeEncoder()
	attributes.String(unix.IFLA_IFNAME, "vxlan0")
	attributes.Nested(unix.IFLA_LINKINFO, func(info *netlink.AttributeEncoder) error {
		info.String(unix.IFLA_INFO_KIND, "vxlan")
		info.Nested(unix.IFLA_INFO_DATA, func(data *netlink.AttributeEncoder) error {
			data.Uint32(unix.IFLA_VXLAN_ID, 1)
			data.Bytes(unix.IFLA_VXLAN_PORT, []byte{port >> 8, port & 0xff})
			local := netip.MustParseAddr("127.0.0.1").As4()
			data.Bytes(unix.IFLA_VXLAN_LOCAL, local[:])
			return nil
		})
		return nil
	})
	body, err := attributes.Encode()
	must(err)
	device := make([]byte, unix.SizeofIfInfomsg)
	device[8] = unix.IFF_UP  // ifi_flags: the socket is opened when the device goes up
	device[12] = unix.IFF_UP // ifi_change
	_, err = connection.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  unix.RTM_NEWLINK,
			Flags: netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl,
		},
		Data: append(device, body...),
	})
	must(err)
	return strconv.Itoa(port)
}
