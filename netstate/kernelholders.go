package netstate

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/mdlayher/netlink"
)

// The parts of an rtnetlink message about an interface that say which port a
// tunnel has (include/uapi/linux/if_link.h). The ports are in network byte
// order.
const (
	interfaceInfoLength  = 16 // struct ifinfomsg
	linkAttributeName    = 3
	linkAttributeInfo    = 18
	linkInfoKind         = 1
	linkInfoData         = 2
	vxlanAttributePort   = 15
	geneveAttributePort  = 5
	bareudpAttributePort = 1
)

// tunnelPortAttributes has the attribute of its port for each kind of device
// that listens on one UDP port.
var tunnelPortAttributes = map[string]uint16{
	"vxlan":   vxlanAttributePort,
	"geneve":  geneveAttributePort,
	"bareudp": bareudpAttributePort,
}

// gtpPorts are those of a gtp device that makes its own sockets; it reports
// none (GTP0_PORT and GTP1U_PORT in include/net/gtp.h).
var gtpPorts = []uint16{3386, 2152}

// parseLink returns the UDP ports that an interface holds by itself. A
// wireguard device has one, which rtnetlink does not tell.
func parseLink(data []byte) ([]KernelHolder, error) {
	if len(data) < interfaceInfoLength {
		return nil, fmt.Errorf("an interface of %d bytes, short of %d", len(data), interfaceInfoLength)
	}
	attributes, err := netlink.NewAttributeDecoder(data[interfaceInfoLength:])
	if err != nil {
		return nil, err
	}
	var link tunnel
	for attributes.Next() {
		switch attributes.Type() {
		case linkAttributeName:
			link.name = attributes.String()
		case linkAttributeInfo:
			attributes.Nested(link.decode)
		}
	}
	return link.holders(), attributes.Err()
}

// tunnel is what is known of an interface of a kind that has ports.
type tunnel struct {
	name, kind string
	ports      []uint16
}

func (t *tunnel) decode(info *netlink.AttributeDecoder) error {
	for info.Next() {
		switch info.Type() {
		case linkInfoKind:
			if t.kind = info.String(); t.kind == "gtp" {
				t.ports = gtpPorts
			}
		case linkInfoData: // behind the kind: rtnl_link_info_fill in net/core/rtnetlink.c
			info.Nested(t.decodePort)
		}
	}
	return nil
}

func (t *tunnel) decodePort(data *netlink.AttributeDecoder) error {
	wanted, ok := tunnelPortAttributes[t.kind]
	if !ok {
		return nil
	}
	data.ByteOrder = binary.BigEndian
	for data.Next() {
		if data.Type() == wanted {
			t.ports = append(t.ports, data.Uint16())
		}
	}
	return nil
}

func (t *tunnel) holders() []KernelHolder {
	var holders []KernelHolder
	for _, port := range t.ports {
		holders = append(holders, KernelHolder{
			Network: UDP, Port: port, Name: "the " + t.kind + " device " + t.name, Kind: t.kind, Device: t.name,
		})
	}
	return holders
}

// parseNFSPorts reads /proc/fs/nfsd/portlist: a line like "tcp 2049" for each
// socket of the kernel's NFS server (svc_xprt_names in net/sunrpc/svc_xprt.c).
// Transports that have no internet port are left out.
func parseNFSPorts(text string) []KernelHolder {
	var holders []KernelHolder
	for line := range strings.Lines(text) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		port, err := strconv.ParseUint(number, 10, 16)
		network := Network(name)
		if err != nil || network != TCP && network != UDP {
			continue
		}
		holders = append(holders, KernelHolder{
			Network: network, Port: uint16(port), Name: "the NFS server in the kernel", Kind: "nfsd",
		})
	}
	return holders
}
