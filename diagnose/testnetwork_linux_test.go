package diagnose_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portdoc/netstate/netns"
)

// testDevice is an interface beside lo, with these addresses. Nothing answers
// behind it.
const testDevice = "v0"

var testAddresses = map[string][]netip.Prefix{
	"lo": {netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")},
	testDevice: {
		netip.MustParsePrefix("10.99.0.1/24"),
		netip.MustParsePrefix("fd99::1/64"),
		netip.MustParsePrefix("fe80::99:1/64"),
	},
}

// newNetwork moves the calling goroutine's thread, which stays locked and ends
// with the goroutine, into a network namespace that nobody else is in.
func newNetwork(t testing.TB) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal("a network namespace for this thread: ", err)
	}
	furnish(t)
}

// ownNetwork is the namespace of the whole process, which stays when a test is
// run again: its ports are given out in turn, so that one which is given out
// again has long forgotten its connections.
var ownNetwork struct {
	furnish sync.Once
	ports   uint16
}

// furnish brings up the interfaces of the thread's network namespace.
func furnish(t testing.TB) {
	t.Helper()
	if err := netns.LoopbackUp(); err != nil {
		t.Fatal(err)
	}
	connection, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	ask := func(kind netlink.HeaderType, flags netlink.HeaderFlags, body []byte) {
		t.Helper()
		message := netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | flags}, Data: body}
		if _, err := connection.Execute(message); err != nil {
			t.Fatalf("netlink message %d: %v", kind, err)
		}
	}
	ask(unix.RTM_NEWLINK, netlink.Create|netlink.Excl, newVeth(t, testDevice, "v1"))
	index := deviceIndex(t, testDevice)
	for _, up := range []int{index, deviceIndex(t, "v1")} {
		ask(unix.RTM_NEWLINK, 0, linkHeader(up, unix.IFF_UP))
	}
	for _, prefix := range testAddresses[testDevice] {
		ask(unix.RTM_NEWADDR, netlink.Create|netlink.Excl, newAddress(t, index, prefix))
	}
}

// linkHeader is a struct ifinfomsg that switches flags on.
func linkHeader(index int, flags uint32) []byte {
	header := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(header[4:], uint32(index))
	binary.NativeEndian.PutUint32(header[8:], flags)
	binary.NativeEndian.PutUint32(header[12:], flags)
	return header
}

// newVeth is the body of a message that makes a pair of interfaces.
func newVeth(t testing.TB, name, peer string) []byte {
	const vethInfoPeer = 1 // VETH_INFO_PEER in include/uapi/linux/veth.h
	encoder := netlink.NewAttributeEncoder()
	encoder.String(unix.IFLA_IFNAME, name)
	encoder.Nested(unix.IFLA_LINKINFO, func(info *netlink.AttributeEncoder) error {
		info.String(unix.IFLA_INFO_KIND, "veth")
		info.Nested(unix.IFLA_INFO_DATA, func(data *netlink.AttributeEncoder) error {
			other := netlink.NewAttributeEncoder()
			other.String(unix.IFLA_IFNAME, peer)
			attributes, err := other.Encode()
			data.Bytes(vethInfoPeer, append(linkHeader(0, 0), attributes...))
			return err
		})
		return nil
	})
	return append(linkHeader(0, 0), encoded(t, encoder)...)
}

// newAddress is the body of a message that gives an interface an address, of
// which no duplicate is looked for.
func newAddress(t testing.TB, index int, prefix netip.Prefix) []byte {
	header := make([]byte, unix.SizeofIfAddrmsg)
	header[0], header[1] = unix.AF_INET, byte(prefix.Bits())
	if prefix.Addr().Is6() {
		header[0] = unix.AF_INET6
	}
	header[2] = unix.IFA_F_NODAD
	binary.NativeEndian.PutUint32(header[4:], uint32(index))
	encoder := netlink.NewAttributeEncoder()
	encoder.Bytes(unix.IFA_LOCAL, prefix.Addr().AsSlice())
	encoder.Bytes(unix.IFA_ADDRESS, prefix.Addr().AsSlice())
	return append(header, encoded(t, encoder)...)
}

func encoded(t testing.TB, encoder *netlink.AttributeEncoder) []byte {
	t.Helper()
	body, err := encoder.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// deviceIndex asks on this thread: net.InterfaceByName may ask on another.
func deviceIndex(t testing.TB, name string) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request); err != nil {
		t.Fatal(err)
	}
	return int(request.Uint32())
}

// setSysctl writes a setting of the thread's network namespace, named by its
// path below /proc/sys/net.
func setSysctl(t testing.TB, path, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/"+path, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}
