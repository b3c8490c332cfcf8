package netstate

import (
	"context"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// readKernelHolders finds the parts of the kernel that hold the port of one of
// the snapshot's sockets. It asks for all interfaces, so it is called only
// when a socket that has an inode turned out to have no owner.
func readKernelHolders(s *Snapshot) {
	holders, err := tunnelPorts()
	if err != nil {
		s.Limits = append(s.Limits, Limit{
			Kind: LimitSource, What: "network devices that hold a port", Why: "they could not be listed: " + err.Error(),
		})
	}
	if text, err := os.ReadFile("/proc/fs/nfsd/portlist"); err == nil {
		holders = append(holders, parseNFSPorts(string(text))...)
	}
	for _, holder := range holders {
		held := slices.ContainsFunc(s.Sockets, func(s Socket) bool {
			return s.Network == holder.Network && s.Local.Port() == holder.Port
		})
		if held && !slices.Contains(s.Kernel, holder) {
			s.Kernel = append(s.Kernel, holder)
		}
	}
}

// tunnelPorts are the ports of all network devices.
func tunnelPorts() ([]KernelHolder, error) {
	links, err := dumpNetlink(context.Background(), unix.NETLINK_ROUTE, unix.RTM_GETLINK, make([]byte, interfaceInfoLength))
	if err != nil {
		return nil, err
	}
	var holders []KernelHolder
	for _, link := range links {
		ports, err := parseLink(link.Data)
		if err != nil {
			return nil, err
		}
		holders = append(holders, ports...)
	}
	return holders, nil
}
