package netstate

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	psnet "github.com/shirou/gopsutil/v3/net"
)

func TestConnectionSocket(t *testing.T) {
	tests := map[string]struct {
		network Network
		row     psnet.ConnectionStat
		want    Socket
	}{
		"listener": {TCP,
			psnet.ConnectionStat{Family: 2, Laddr: psnet.Addr{IP: "0.0.0.0", Port: 80}, Raddr: psnet.Addr{IP: "0.0.0.0"}, Status: "LISTEN", Pid: 7, Fd: 3},
			Socket{Network: TCP, Family: IPv4, Local: netip.MustParseAddrPort("0.0.0.0:80"), State: StateListen, Origin: OriginBind,
				Owners: []Owner{{PID: 7, FDs: []int{3}}}}},
		"mapped": {TCP,
			psnet.ConnectionStat{Family: 10, Laddr: psnet.Addr{IP: "127.0.0.1", Port: 80}, Raddr: psnet.Addr{IP: "127.0.0.2", Port: 9}, Status: "FIN_WAIT_1"},
			Socket{Network: TCP, Family: IPv6, Local: netip.MustParseAddrPort("[::ffff:127.0.0.1]:80"),
				Remote: netip.MustParseAddrPort("[::ffff:127.0.0.2]:9"), State: StateFinWait1}},
		"IPv6 of another system": {TCP,
			psnet.ConnectionStat{Family: 30, Laddr: psnet.Addr{IP: "::1", Port: 80}, Raddr: psnet.Addr{IP: "::1", Port: 9}, Status: "SYN_RECEIVED"},
			Socket{Network: TCP, Family: IPv6, Local: netip.MustParseAddrPort("[::1]:80"), Remote: netip.MustParseAddrPort("[::1]:9"), State: StateSynRecv}},
		"UDP": {UDP,
			psnet.ConnectionStat{Family: 2, Laddr: psnet.Addr{IP: "127.0.0.1", Port: 53}, Raddr: psnet.Addr{IP: "0.0.0.0"}, Status: "NONE"},
			Socket{Network: UDP, Family: IPv4, Local: netip.MustParseAddrPort("127.0.0.1:53"), State: StateUnconnected}},
		"connected UDP": {UDP,
			psnet.ConnectionStat{Family: 2, Laddr: psnet.Addr{IP: "127.0.0.1", Port: 53}, Raddr: psnet.Addr{IP: "127.0.0.1", Port: 9}, Status: "NONE"},
			Socket{Network: UDP, Family: IPv4, Local: netip.MustParseAddrPort("127.0.0.1:53"), Remote: netip.MustParseAddrPort("127.0.0.1:9"), State: StateEstablished}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := connectionSocket(test.network, test.row)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestConnectionSocketErrors(t *testing.T) {
	local := psnet.Addr{IP: "127.0.0.1", Port: 80}
	for name, row := range map[string]psnet.ConnectionStat{
		"unknown state":  {Family: 2, Laddr: local, Status: "DELETE"},
		"no state":       {Family: 2, Laddr: local},
		"local address":  {Family: 2, Laddr: psnet.Addr{IP: "*", Port: 80}, Status: "LISTEN"},
		"remote address": {Family: 2, Laddr: local, Raddr: psnet.Addr{IP: "?", Port: 80}, Status: "ESTABLISHED"},
	} {
		if got, err := connectionSocket(TCP, row); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
