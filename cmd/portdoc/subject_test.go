package main

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// TestLocalhost: the name means both loopback addresses, or only 127.0.0.1
// where no interface has the other one, and is never looked up.
func TestLocalhost(t *testing.T) {
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	loopback := func(addresses ...netip.Addr) *netstate.Snapshot {
		s := new(netstate.Snapshot)
		for _, a := range addresses {
			s.Policy.Addresses = append(s.Policy.Addresses, netstate.InterfaceAddress{Interface: "lo", Prefix: netip.PrefixFrom(a, a.BitLen())})
		}
		return s
	}
	for name, test := range map[string]struct {
		snapshot *netstate.Snapshot
		want     []netip.Addr
	}{
		"both":      {loopback(v4, v6), []netip.Addr{v4, v6}},
		"no IPv6":   {loopback(v4), []netip.Addr{v4}},
		"not known": {loopback(), []netip.Addr{v4, v6}},
	} {
		subjects, err := parseSubjects(context.Background(), []string{"localhost:5188"}, "why")
		if err != nil {
			t.Fatal(err)
		}
		q := questions(subjects, diagnose.Question{}, test.snapshot)[0]
		if !slices.Equal(q.Addresses, test.want) || q.Address != test.want[0] || q.Host != "localhost" || q.Typed != "localhost:5188" {
			t.Errorf("%s: the question is %+v, want the addresses %v", name, q, test.want)
		}
	}
}

// TestQuestions: what has no host name asks about one address, or about none.
func TestQuestions(t *testing.T) {
	subjects, err := parseSubjects(context.Background(), []string{"5188", "[::1]:80", "udp://*:53", "./a.sock", "@name"}, "why")
	if err != nil {
		t.Fatal(err)
	}
	asked := questions(subjects, diagnose.Question{ReuseAddr: true}, new(netstate.Snapshot))
	for i, q := range asked {
		if q.Host != "" || q.Addresses != nil || !q.ReuseAddr || q.Typed != subjects[i].word {
			t.Errorf("%s: the question is %+v", subjects[i].word, q)
		}
	}
	if asked[0].Address.IsValid() || asked[1].Address != netip.IPv6Loopback() || asked[2].Network != netstate.UDP {
		t.Errorf("the questions are %+v", asked)
	}
	if path := asked[3].Path; path[0] != '/' || asked[4].Path != "@name" {
		t.Errorf("the paths are %q and %q", path, asked[4].Path)
	}
}
