package netstate

import (
	"fmt"
	"net/netip"

	psnet "github.com/shirou/gopsutil/v3/net"
)

// connectionStates are the names that gopsutil has for TCP states, which
// differ from system to system.
var connectionStates = map[string]State{
	"LISTEN": StateListen, "ESTABLISHED": StateEstablished,
	"SYN_SENT": StateSynSent, "SYN_RECV": StateSynRecv, "SYN_RECEIVED": StateSynRecv, "SYN_RCVD": StateSynRecv,
	"FIN_WAIT1": StateFinWait1, "FIN_WAIT_1": StateFinWait1,
	"FIN_WAIT2": StateFinWait2, "FIN_WAIT_2": StateFinWait2,
	"TIME_WAIT": StateTimeWait, "CLOSE_WAIT": StateCloseWait,
	"LAST_ACK": StateLastAck, "CLOSING": StateClosing,
	"CLOSE": StateBound, "CLOSED": StateBound,
}

// connectionSocket turns a row of gopsutil into a socket. The row has no
// inode, no user, no timer and no options, and one owner at most.
func connectionSocket(network Network, row psnet.ConnectionStat) (Socket, error) {
	s := Socket{Network: network, Family: IPv6}
	if row.Family == linuxAFInet { // AF_INET is 2 on every system
		s.Family = IPv4
	}
	var err error
	if s.Local, err = connectionAddress(s.Family, row.Laddr); err != nil {
		return Socket{}, err
	}
	if row.Raddr.Port != 0 {
		if s.Remote, err = connectionAddress(s.Family, row.Raddr); err != nil {
			return Socket{}, err
		}
	}
	if s.State, err = connectionState(network, row); err != nil {
		return Socket{}, err
	}
	if row.Pid != 0 {
		s.Owners = []Owner{{PID: int(row.Pid), FDs: []int{int(row.Fd)}}}
	}
	s.Origin = originByState(&s)
	if s.State == StateSynRecv { // may be either side: there is no inode to tell
		s.Origin = ""
	}
	return s, nil
}

func connectionState(network Network, row psnet.ConnectionStat) (State, error) {
	if network == UDP {
		if row.Raddr.Port != 0 {
			return StateEstablished, nil
		}
		return StateUnconnected, nil
	}
	state, ok := connectionStates[row.Status]
	if !ok {
		return "", fmt.Errorf("a socket in the unknown state %q", row.Status)
	}
	return state, nil
}

// connectionAddress gives an IPv4 address of an IPv6 socket its mapped form
// back, which gopsutil prints without.
func connectionAddress(family Family, a psnet.Addr) (netip.AddrPort, error) {
	address, err := netip.ParseAddr(a.IP)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if family == IPv6 && address.Is4() {
		address = netip.AddrFrom16(address.As16())
	}
	return netip.AddrPortFrom(address, uint16(a.Port)), nil
}
