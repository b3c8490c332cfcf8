package netstate

import (
	"testing"

	"errors"
	"github.com/google/go-cmp/cmp"
)

func TestReadBSDSettings(t *testing.T) {
	freebsd := map[string]uint32{
		"net.inet.ip.portrange.first": 10_000, "net.inet.ip.portrange.last": 65_535,
		"net.inet.ip.portrange.reservedhigh": 1023, "net.inet6.ip6.v6only": 1, "net.inet.tcp.msl": 30_000,
	}
	downwards := map[string]uint32{
		"net.inet.ip.portrange.first": 5000, "net.inet.ip.portrange.last": 1024,
		"net.inet.ip.portrange.reservedhigh": 0, "net.inet6.ip6.v6only": 0, "net.inet.tcp.msl": 15_000,
	}
	tests := map[string]struct {
		system string
		sysctl map[string]uint32
		policy Policy
		want   Policy
		limits int
	}{
		"FreeBSD": {system: "freebsd", sysctl: freebsd, want: Policy{
			EphemeralPorts: &PortRange{First: 10_000, Last: 65_535}, UnprivilegedPortStart: new(1024),
			BindV6Only: new(true), TimeWait: new(int64(60_000)),
		}},
		"FreeBSD, other settings": {system: "freebsd", sysctl: downwards, want: Policy{
			EphemeralPorts: &PortRange{First: 1024, Last: 5000}, UnprivilegedPortStart: new(1),
			BindV6Only: new(false), TimeWait: new(int64(30_000)),
		}},
		"FreeBSD without IPv6": {system: "freebsd", sysctl: freebsd, policy: Policy{IPv6: new(false)}, want: Policy{IPv6: new(false),
			EphemeralPorts: &PortRange{First: 10_000, Last: 65_535}, UnprivilegedPortStart: new(1024), TimeWait: new(int64(60_000)),
		}},
		"FreeBSD that tells nothing": {system: "freebsd", limits: 5},
		"OpenBSD": {system: "openbsd", sysctl: map[string]uint32{"net.inet.ip.portfirst": 1024, "net.inet.ip.portlast": 49_151}, want: Policy{
			EphemeralPorts: &PortRange{First: 1024, Last: 49_151}, UnprivilegedPortStart: new(1024), BindV6Only: new(true),
		}},
		"NetBSD": {system: "netbsd", sysctl: map[string]uint32{
			"net.inet.ip.anonportmin": 49_152, "net.inet.ip.anonportmax": 65_535, "net.inet6.ip6.v6only": 1,
		}, want: Policy{
			EphemeralPorts: &PortRange{First: 49_152, Last: 65_535}, UnprivilegedPortStart: new(1024), BindV6Only: new(true),
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &Snapshot{Policy: test.policy}
			readBSDSettings(s, bsdSettingsOf(test.system), func(name string) (uint32, error) {
				if value, ok := test.sysctl[name]; ok {
					return value, nil
				}
				return 0, errors.New("no such setting")
			})
			if diff := cmp.Diff(test.want, s.Policy); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if len(s.Limits) != test.limits {
				t.Errorf("limits %+v", s.Limits)
			}
		})
	}
}
