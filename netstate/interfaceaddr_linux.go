package netstate

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// readAddresses lists the addresses of all interfaces of this network
// namespace, ordered by interface.
func readAddresses() ([]InterfaceAddress, error) {
	messages, err := dumpNetlink(context.Background(), unix.NETLINK_ROUTE, unix.RTM_GETADDR, ifaddrRequest())
	if err != nil {
		return nil, err
	}
	addresses := make([]InterfaceAddress, len(messages))
	for i, m := range messages {
		if addresses[i], err = decodeIfaddr(m.Data); err != nil {
			return nil, err
		}
	}
	sortAddresses(addresses)
	return addresses, nameInterfaces(addresses)
}

// nameInterfaces fills in the names of the interfaces. An interface that is
// gone meanwhile has none.
func nameInterfaces(addresses []InterfaceAddress) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	for i := range addresses {
		if i > 0 && addresses[i].Index == addresses[i-1].Index {
			addresses[i].Interface = addresses[i-1].Interface
			continue
		}
		request, err := unix.NewIfreq("?") // the kernel fills in the name
		if err != nil {
			return err
		}
		request.SetUint32(uint32(addresses[i].Index))
		if unix.IoctlIfreq(fd, unix.SIOCGIFNAME, request) == nil {
			addresses[i].Interface = request.Name()
		}
	}
	return nil
}
