package netstate

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
)

// link is an rtnetlink message about an interface. kind "" makes one without
// IFLA_LINKINFO, as the loopback is.
func link(name, kind string, data ...netlink.Attribute) []byte {
	attributes := []netlink.Attribute{
		{Type: linkAttributeName, Data: append([]byte(name), 0)},
		{Type: 4, Data: []byte{0xdc, 0x05, 0, 0}}, // IFLA_MTU
	}
	if kind != "" {
		info := []netlink.Attribute{{Type: linkInfoKind, Data: append([]byte(kind), 0)}}
		if data != nil {
			info = append(info, netlink.Attribute{Type: linkInfoData, Data: nltest.MustMarshalAttributes(data)})
		}
		attributes = append(attributes, netlink.Attribute{Type: linkAttributeInfo, Data: nltest.MustMarshalAttributes(info)})
	}
	return append(make([]byte, interfaceInfoLength), nltest.MustMarshalAttributes(attributes)...)
}

func portAttribute(kind uint16, port uint16) netlink.Attribute {
	return netlink.Attribute{Type: kind, Data: binary.BigEndian.AppendUint16(nil, port)}
}

func TestParseLink(t *testing.T) {
	id := netlink.Attribute{Type: 1, Data: []byte{1, 0, 0, 0}}
	tests := map[string]struct {
		message []byte
		want    []KernelHolder
	}{
		"loopback": {link("lo", ""), nil},
		"vxlan": {link("vxlan0", "vxlan", id, portAttribute(vxlanAttributePort, 4789)), []KernelHolder{
			{Network: UDP, Port: 4789, Name: "the vxlan device vxlan0", Kind: "vxlan", Device: "vxlan0"},
		}},
		"geneve": {link("g", "geneve", id, portAttribute(geneveAttributePort, 6081)), []KernelHolder{
			{Network: UDP, Port: 6081, Name: "the geneve device g", Kind: "geneve", Device: "g"},
		}},
		"bareudp": {link("b", "bareudp", portAttribute(bareudpAttributePort, 6635)), []KernelHolder{
			{Network: UDP, Port: 6635, Name: "the bareudp device b", Kind: "bareudp", Device: "b"},
		}},
		"gtp": {link("gtp0", "gtp", id), []KernelHolder{
			{Network: UDP, Port: 3386, Name: "the gtp device gtp0", Kind: "gtp", Device: "gtp0"},
			{Network: UDP, Port: 2152, Name: "the gtp device gtp0", Kind: "gtp", Device: "gtp0"},
		}},
		"wireguard":    {link("wg0", "wireguard"), nil},
		"bridge":       {link("br0", "bridge", portAttribute(vxlanAttributePort, 4789)), nil},
		"without port": {link("vxlan0", "vxlan", id), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseLink(test.message)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseLinkErrors(t *testing.T) {
	short := netlink.Attribute{Type: vxlanAttributePort, Data: []byte{1}}
	whole := link("vxlan0", "vxlan", portAttribute(vxlanAttributePort, 4789))
	tests := map[string]struct {
		message []byte
		want    string
	}{
		"short message": {make([]byte, interfaceInfoLength-1), "an interface of 15 bytes, short of 16"},
		"short port":    {link("vxlan0", "vxlan", short), "not a uint16"},
		"cut":           {whole[:len(whole)-4], "invalid attribute"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := parseLink(test.message); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v, want an error with %q", got, err, test.want)
			}
		})
	}
}

func FuzzParseLink(f *testing.F) {
	f.Add(link("lo", ""))
	f.Add(link("vxlan0", "vxlan", portAttribute(vxlanAttributePort, 4789)))
	f.Add(link("gtp0", "gtp"))
	f.Fuzz(func(t *testing.T, data []byte) {
		holders, err := parseLink(data)
		for _, h := range holders {
			if err == nil && (h.Network != UDP || h.Kind == "") {
				t.Errorf("%x: %+v", data, h)
			}
		}
	})
}

func TestParseNFSPorts(t *testing.T) {
	got := parseNFSPorts("tcp 2049\nudp 2049\nrdma 20049\ntcp-bc 0\nlocal\n\ntcp x\ntcp 70000\n")
	want := []KernelHolder{
		{Network: TCP, Port: 2049, Name: "the NFS server in the kernel", Kind: "nfsd"},
		{Network: UDP, Port: 2049, Name: "the NFS server in the kernel", Kind: "nfsd"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
