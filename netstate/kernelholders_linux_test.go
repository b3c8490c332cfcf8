package netstate

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

// newVXLAN makes a vxlan device for the test and switches it on, which is when
// it takes its port.
func newVXLAN(t *testing.T, name string, port uint16) {
	t.Helper()
	info := []netlink.Attribute{
		{Type: linkInfoKind, Data: []byte("vxlan")},
		{Type: linkInfoData, Data: nltest.MustMarshalAttributes([]netlink.Attribute{
			{Type: unix.IFLA_VXLAN_ID, Data: binary.NativeEndian.AppendUint32(nil, uint32(port))},
			{Type: unix.IFLA_VXLAN_PORT, Data: binary.BigEndian.AppendUint16(nil, port)},
		})},
	}
	data := make([]byte, interfaceInfoLength)
	binary.NativeEndian.PutUint32(data[8:], unix.IFF_UP)
	binary.NativeEndian.PutUint32(data[12:], unix.IFF_UP)
	data = append(data, nltest.MustMarshalAttributes([]netlink.Attribute{
		{Type: linkAttributeName, Data: append([]byte(name), 0)},
		{Type: linkAttributeInfo, Data: nltest.MustMarshalAttributes(info)},
	})...)
	routeRequest(t, unix.RTM_NEWLINK, netlink.Create|netlink.Excl, data)
	t.Cleanup(func() {
		data := make([]byte, interfaceInfoLength)
		binary.NativeEndian.PutUint32(data[4:], interfaceIndex(name))
		routeRequest(t, unix.RTM_DELLINK, 0, data)
	})
}

// freeUDPPort is a port that nobody has on any address.
func freeUDPPort(t *testing.T) uint16 {
	s := newUDP6(t).bind("[::]:0")
	defer s.close()
	return s.local().Port()
}

func TestKernelHolders(t *testing.T) {
	port, other := freeUDPPort(t), freeUDPPort(t)
	newVXLAN(t, "vx-asked", port)
	newVXLAN(t, "vx-other", other)
	s := snapshotOf(t, Endpoint{Network: UDP, Port: port}, Endpoint{Network: TCP, Port: port})
	if len(s.Sockets) == 0 {
		t.Fatal("the vxlan device has no socket")
	}
	for _, socket := range s.Sockets {
		if !socket.Local.Addr().IsUnspecified() || socket.State != StateUnconnected {
			t.Errorf("%+v", socket)
		}
	}
	readKernelHolders(s)
	readKernelHolders(s) // finds nothing twice
	want := []KernelHolder{{Network: UDP, Port: port, Name: "the vxlan device vx-asked", Kind: "vxlan", Device: "vx-asked"}}
	if diff := cmp.Diff(want, s.Kernel); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(s.Limits) != 0 {
		t.Errorf("limits %+v", s.Limits)
	}
}

// TestKernelHoldersOfAnOrdinarySocket has a socket on the port number of a
// tunnel, but of the other network.
func TestKernelHoldersOfAnOrdinarySocket(t *testing.T) {
	port := freeUDPPort(t)
	newVXLAN(t, "vx-udp", port)
	newTCP4(t).bind(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port).String()).listen(1)
	s := snapshotOf(t, Endpoint{Network: TCP, Port: port})
	readKernelHolders(s)
	if len(s.Kernel) != 0 || len(s.Sockets) != 1 {
		t.Errorf("holders %+v of %+v", s.Kernel, s.Sockets)
	}
}
