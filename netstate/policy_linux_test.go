package netstate

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portdoc/netstate/netns"
	"portdoc/netstate/netstatetest"
)

func init() {
	roles["policy"] = func([]string) { printJSON(policySnapshot()) }
	roles["policy of disabled IPv6"] = func([]string) {
		must(os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0))
		printJSON(policySnapshot())
	}
	roles["policy of a set-up network"] = func(arguments []string) {
		must(netns.LoopbackUp())
		for _, setting := range arguments {
			path, value, _ := strings.Cut(setting, "=")
			must(os.WriteFile("/proc/sys/net/"+path, []byte(value), 0))
		}
		must(addAddress(netip.MustParsePrefix("10.11.12.13/24"), netip.MustParseAddr("10.11.12.255")))
		must(addAddress(netip.MustParsePrefix("fd00::5/64"), netip.Addr{}))
		printJSON(policySnapshot())
	}
	roles["policy without capabilities"] = func([]string) {
		dropCapabilities()
		printJSON(policySnapshot())
	}
	roles["policy without a family"] = func(arguments []string) {
		family, err := strconv.Atoi(arguments[0])
		must(err)
		errno, err := strconv.Atoi(arguments[1])
		must(err)
		refuseSockets(family, syscall.Errno(errno))
		printJSON(policySnapshot())
	}
	roles["policy without proc"] = func([]string) {
		must(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(unix.Mount("none", "/proc", "tmpfs", 0, ""))
		printJSON(policySnapshot())
	}
	roles["policy of strange settings"] = func(arguments []string) {
		must(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(unix.Mount("none", "/proc/sys", "tmpfs", 0, ""))
		must(os.MkdirAll("/proc/sys/net/ipv4", 0o755))
		must(os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("60999 32768\n"), 0o644))
		must(os.WriteFile("/proc/sys/net/ipv4/ip_nonlocal_bind", []byte("1\n"), 0o644))
		printJSON(policySnapshot())
	}
}

func policySnapshot() *Snapshot {
	s := new(Snapshot)
	readPolicy(s)
	return s
}

// addAddress gives the loopback interface another address, which is valid at
// once (IFA_F_NODAD).
func addAddress(prefix netip.Prefix, broadcast netip.Addr) error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	family := byte(unix.AF_INET6)
	if prefix.Addr().Is4() {
		family = unix.AF_INET
	}
	request := []byte{family, byte(prefix.Bits()), unix.IFA_F_NODAD, 0, 0, 0, 0, 0}
	binary.NativeEndian.PutUint32(request[4:], uint32(lo.Index))
	attributes := netlink.NewAttributeEncoder()
	attributes.Bytes(unix.IFA_LOCAL, prefix.Addr().AsSlice())
	attributes.Bytes(unix.IFA_ADDRESS, prefix.Addr().AsSlice())
	if broadcast.IsValid() {
		attributes.Bytes(unix.IFA_BROADCAST, broadcast.AsSlice())
	}
	encoded, err := attributes.Encode()
	if err != nil {
		return err
	}
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_NEWADDR, Flags: netlink.Request | netlink.Acknowledge | netlink.Create},
		Data:   append(request, encoded...),
	})
	return err
}

func TestReadPolicy(t *testing.T) {
	// 2,500 ports that are not neighbours: longer than one buffer.
	var reserved []string
	var ranges []PortRange
	for port := uint16(20000); port < 25000; port += 2 {
		reserved = append(reserved, strconv.Itoa(int(port)))
		ranges = append(ranges, PortRange{port, port})
	}
	command := netstatetest.Command("policy of a set-up network",
		"ipv4/ip_local_port_range=40000 40999",
		"ipv4/ip_local_reserved_ports=8080,9148-9150,"+strings.Join(reserved, ","),
		"ipv4/ip_unprivileged_port_start=80",
		"ipv4/ip_nonlocal_bind=1",
		"ipv4/ip_autobind_reuse=1",
		"ipv6/ip_nonlocal_bind=0",
		"ipv6/bindv6only=1",
	)
	command.SysProcAttr = netns.New()
	s := ask[Snapshot](t, command)
	uid, start, yes, no := uint32(os.Geteuid()), 80, true, false
	prefix := netip.MustParsePrefix
	want := Policy{
		UID: &uid, BindPrivileged: &yes, UnprivilegedPortStart: &start,
		EphemeralPorts: &PortRange{40000, 40999},
		ReservedPorts:  append([]PortRange{{8080, 8080}, {9148, 9150}}, ranges...),
		BindV6Only:     &yes, NonlocalBind4: &yes, NonlocalBind6: &no, AutobindReuse: &yes,
		IPv4: &yes, IPv6: &yes, IPv6Disabled: &no,
		Addresses: []InterfaceAddress{
			{Interface: "lo", Index: 1, Prefix: prefix("10.11.12.13/24"), Broadcast: netip.MustParseAddr("10.11.12.255")},
			{Interface: "lo", Index: 1, Prefix: prefix("127.0.0.1/8")},
			{Interface: "lo", Index: 1, Prefix: prefix("::1/128")},
			{Interface: "lo", Index: 1, Prefix: prefix("fd00::5/64")},
		},
	}
	if diff := cmp.Diff(want, s.Policy, compareAddresses, comparePrefixes); diff != "" {
		t.Error(diff)
	}
	if len(s.Limits) != 0 {
		t.Errorf("limits: %+v", s.Limits)
	}
}

func TestReadPolicyIPv6Disabled(t *testing.T) {
	command := netstatetest.Command("policy")
	command.SysProcAttr = netns.New() // its loopback is down
	s := ask[Snapshot](t, command)
	if len(s.Policy.Addresses) != 0 || *s.Policy.IPv6Disabled || !*s.Policy.IPv6 {
		t.Errorf("%+v", s.Policy)
	}
	command = netstatetest.Command("policy of disabled IPv6")
	command.SysProcAttr = netns.New()
	s = ask[Snapshot](t, command)
	if !*s.Policy.IPv6Disabled || !*s.Policy.IPv6 {
		t.Errorf("%+v", s.Policy)
	}
}

// A family that the system lacks is no limit, one that can't be looked at is.
func TestReadPolicyFamilies(t *testing.T) {
	needsSocketFilter(t)
	lacks := func(errno syscall.Errno) Snapshot {
		return ask[Snapshot](t, netstatetest.Command("policy without a family",
			strconv.Itoa(unix.AF_INET6), strconv.Itoa(int(errno))))
	}
	s := lacks(unix.EAFNOSUPPORT)
	if !*s.Policy.IPv4 || *s.Policy.IPv6 || s.Policy.BindV6Only != nil || len(s.Limits) != 0 {
		t.Errorf("%+v", s)
	}
	s = lacks(unix.EPERM)
	if !*s.Policy.IPv4 || s.Policy.IPv6 != nil || s.Policy.BindV6Only == nil || len(s.Limits) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestReadPolicyWithoutNetlink(t *testing.T) {
	needsSocketFilter(t)
	s := ask[Snapshot](t, netstatetest.Command("policy without a family",
		strconv.Itoa(unix.AF_NETLINK), strconv.Itoa(int(unix.EPERM))))
	if len(s.Limits) != 1 || s.Limits[0].Kind != LimitPolicy || s.Policy.Addresses != nil {
		t.Errorf("%+v", s)
	}
}

func TestReadPolicyLimits(t *testing.T) {
	mounts := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	command := netstatetest.Command("policy without proc")
	command.SysProcAttr = mounts
	s := ask[Snapshot](t, command)
	if len(s.Limits) != 2 || s.Policy.BindPrivileged != nil || s.Policy.UnprivilegedPortStart != nil ||
		len(s.Policy.Addresses) == 0 || s.Host.Privileged {
		t.Errorf("without /proc: %+v", s)
	}
	command = netstatetest.Command("policy of strange settings")
	command.SysProcAttr = mounts
	s = ask[Snapshot](t, command)
	const missing = "net.ipv4.ip_local_port_range, net.ipv4.ip_local_reserved_ports, " +
		"net.ipv4.ip_unprivileged_port_start, net.ipv6.ip_nonlocal_bind, net.ipv6.bindv6only, " +
		"net.ipv6.conf.all.disable_ipv6"
	if len(s.Limits) != 1 || s.Limits[0].What != missing || s.Policy.EphemeralPorts != nil || !*s.Policy.NonlocalBind4 {
		t.Errorf("of strange settings: %+v", s)
	}
}

// A capability holds only where this user namespace owns the network.
func TestReadPolicyBindPrivileged(t *testing.T) {
	privileged := func(role string, attributes *syscall.SysProcAttr) bool {
		t.Helper()
		command := netstatetest.Command(role)
		command.SysProcAttr = attributes
		s := ask[Snapshot](t, command)
		if s.Host.Privileged && attributes != nil {
			t.Error("a user namespace's root may not look into every process")
		}
		if s.Policy.BindPrivileged == nil {
			t.Fatalf("%+v", s)
		}
		return *s.Policy.BindPrivileged
	}
	userNamespace := func(flags uintptr) *syscall.SysProcAttr {
		root := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | flags, UidMappings: root, GidMappings: root}
	}
	if !privileged("policy", nil) {
		t.Error("root of its own network")
	}
	if privileged("policy without capabilities", nil) {
		t.Error("no capability")
	}
	if privileged("policy", userNamespace(0)) {
		t.Error("root of a user namespace in another's network")
	}
	if !privileged("policy", userNamespace(syscall.CLONE_NEWNET)) {
		t.Error("root of a user namespace with its network")
	}
}

func TestReadPolicyHost(t *testing.T) {
	s := policySnapshot()
	readUserNames(s)
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSpace(string(release)); s.Host.Release != want {
		t.Errorf("release %q, want %q", s.Host.Release, want)
	}
	if s.Host.User != "root" { // also the ordinary user is root in here
		t.Errorf("user %q", s.Host.User)
	}
	if want := !netstatetest.Ordinary() && mayTrace(t); s.Host.Privileged != want {
		t.Errorf("privileged %v, want %v", s.Host.Privileged, want)
	}
	if s := ask[Snapshot](t, netstatetest.Command("policy without capabilities")); s.Host.Privileged {
		t.Error("privileged without capabilities")
	}
}

// mayTrace reads CAP_SYS_PTRACE from /proc: a container's root may lack it.
func mayTrace(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "CapEff:\t")
	var effective uint64
	if _, err := fmt.Sscanf(rest, "%x", &effective); err != nil {
		t.Fatal(err)
	}
	return effective&(1<<unix.CAP_SYS_PTRACE) != 0
}

func TestReadPolicyLeavesNothing(t *testing.T) {
	policySnapshot() // the runtime's own descriptors are there after it
	before := descriptors(t)
	policySnapshot()
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

func BenchmarkReadPolicy(b *testing.B) {
	for b.Loop() {
		if s := policySnapshot(); len(s.Limits) != 0 {
			b.Fatal(s.Limits)
		}
	}
}
