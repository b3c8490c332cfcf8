package diagnose_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"portdoc/diagnose"
	"portdoc/netstate"
)

var rulesFile = flag.String("rules", "", "published bind rules to compare the predictions with (JSON, plain or gzip)")

// publishedRule is one outcome that a manual, a test suite or a measurement
// has published.
type publishedRule struct {
	ID       string            `json:"id"`
	OS       string            `json:"os"`
	Versions string            `json:"versions"`
	Proto    string            `json:"proto"`
	Setup    []publishedSocket `json:"setup"`
	Request  publishedSocket   `json:"request"`
	Expect   string            `json:"expect"`
	Source   string            `json:"source"`
	Verified string            `json:"verified"`
}

// publishedSocket is a socket of the setup, or the request.
type publishedSocket struct {
	Op      string   `json:"op,omitempty"`
	On      string   `json:"on,omitempty"`
	Kind    string   `json:"kind,omitempty"`
	Family  int      `json:"family,omitempty"`
	Addr    string   `json:"addr"`
	Port    any      `json:"port"`
	State   string   `json:"state,omitempty"`
	Options []string `json:"options"`
	V6Only  bool     `json:"v6only,omitempty"`
	User    string   `json:"user,omitempty"`
	EUID    *uint32  `json:"euid,omitempty"`
	Sysctl  struct {
		PortRange     string `json:"ip_local_port_range"`
		AutobindReuse int    `json:"ip_autobind_reuse"`
	} `json:"sysctl,omitzero"`
}

// TestPublishedRules compares predictions with published outcomes. A rule that
// leaves the protocol, the state or the system open is tried with each.
func TestPublishedRules(t *testing.T) {
	path := *rulesFile
	if path == "" {
		path = "testdata/bind/published-rules.json"
	}
	var file struct {
		Entries []publishedRule `json:"entries"`
	}
	if err := json.Unmarshal(readMaybeGzip(t, path), &file); err != nil {
		t.Fatal(err)
	}
	var disagree, unknown, leftOut int
	for _, rule := range file.Entries {
		if reason := rule.leftOut(); reason != "" {
			leftOut++
			t.Logf("%s: left out: %s", rule.ID, reason)
			continue
		}
		for _, v := range rule.variants(t) {
			p := v.predict()
			result := p.Bind
			if v.listen > 0 {
				result = p.Listen
			}
			if rule.agrees(result) {
				continue
			}
			if result == diagnose.ResultUnknown {
				unknown++
				t.Errorf("%s: unknown: %s; published: %s", rule.ID, p.Missing, rule.Expect)
			} else {
				disagree++
				t.Errorf("%s on %s: %+v; published: %s (%s)", rule.ID, v.snapshot.Host.OS, p, rule.Expect, rule.Source)
			}
			break
		}
	}
	if leftOut > 0 {
		fmt.Printf("%d rules left out, each with a reason\n", leftOut)
	}
	fmt.Printf("%d cases, %d disagree, %d unknown\n", len(file.Entries), disagree, unknown)
	if len(file.Entries) == 0 {
		t.Error("no rules")
	}
}

// leftOut is why a rule is not looked at, "" for those that are.
func (r *publishedRule) leftOut() string {
	if r.OS == "windows" && strings.Contains(r.Versions, "XP") {
		return "no snapshot comes from Windows XP or earlier: programs of today's Go don't run there"
	}
	return ""
}

// agrees compares a result with the published one.
func (r *publishedRule) agrees(result string) bool {
	if strings.HasPrefix(r.Expect, "fails") { // Which errno is not said.
		return result != diagnose.ResultOK && result != diagnose.ResultUnknown
	}
	return result == strings.TrimPrefix(r.Expect, "WSA")
}

// ruleVariant is a rule with nothing left open.
type ruleVariant struct {
	snapshot *netstate.Snapshot
	request  netstate.BindRequest
	// listen is the socket that starts to listen, 0 for a bind.
	listen int
}

func (v *ruleVariant) predict() diagnose.Prediction {
	if v.listen > 0 {
		return diagnose.PredictListen(v.snapshot, v.listen)
	}
	return diagnose.Predict(v.snapshot, v.request)
}

func (r *publishedRule) variants(t *testing.T) []ruleVariant {
	systems := map[string][]string{"macos": {"darwin"}, "bsd (freebsd, macos same user)": {"darwin", "freebsd"}}[r.OS]
	if systems == nil {
		systems = []string{r.OS}
	}
	var variants []ruleVariant
	for _, system := range systems {
		for _, network := range strings.Split(r.Proto, "+") {
			for choice := range 2 {
				variants = append(variants, r.variant(t, system, netstate.Network(network), choice))
			}
		}
	}
	return variants
}

func (r *publishedRule) variant(t *testing.T, system string, network netstate.Network, choice int) ruleVariant {
	s := &netstate.Snapshot{Schema: netstate.SnapshotSchema, Host: netstate.Host{OS: system}}
	for i := range r.Setup {
		if socket := r.Setup[i].socket(t, network, choice); socket != nil {
			s.Sockets = append(s.Sockets, *socket)
		}
	}
	v := ruleVariant{snapshot: s}
	switch {
	case r.Request.On == "second socket":
		v.listen = 1
	case r.Request.On != "":
		t.Fatalf("%s: listen on %q", r.ID, r.Request.On)
	default:
		v.request = r.Request.request(t, network)
	}
	s.Policy = r.policy(t, s, v.request)
	s.Query.Endpoints = []netstate.Endpoint{{Network: network, Port: 1, LastPort: 65535}}
	return v
}

// policy is that of a machine on which every address of the rule is local.
func (r *publishedRule) policy(t *testing.T, s *netstate.Snapshot, request netstate.BindRequest) netstate.Policy {
	p := netstate.Policy{
		UID: request.UID, BindPrivileged: new(request.UID != nil && *request.UID == 0),
		UnprivilegedPortStart: new(1024), IPv4: new(true), IPv6: new(true),
		NonlocalBind4: new(false), NonlocalBind6: new(false),
		AutobindReuse: new(r.Request.Sysctl.AutobindReuse != 0),
		ExcludedPorts: map[netstate.Network][]netstate.PortRange{netstate.TCP: nil, netstate.UDP: nil},
	}
	addresses := []netip.Addr{request.Address}
	for i := range s.Sockets {
		addresses = append(addresses, s.Sockets[i].Local.Addr())
	}
	for _, address := range addresses {
		if address = address.Unmap(); address.IsValid() && !address.IsUnspecified() {
			p.Addresses = append(p.Addresses, netstate.InterfaceAddress{Interface: "em0", Prefix: netip.PrefixFrom(address, address.BitLen())})
		}
	}
	if text := r.Request.Sysctl.PortRange; text != "" {
		p.EphemeralPorts = &netstate.PortRange{}
		if _, err := fmt.Sscan(text, &p.EphemeralPorts.First, &p.EphemeralPorts.Last); err != nil {
			t.Fatal(err)
		}
	}
	for i := range r.Setup {
		if strings.Contains(r.Setup[i].Kind, "excludedportrange") {
			excluded := []netstate.PortRange{{First: request.Port, Last: request.Port + 9}}
			p.ExcludedPorts = map[netstate.Network][]netstate.PortRange{netstate.TCP: excluded, netstate.UDP: excluded}
		}
	}
	return p
}

// publishedUsers are the users that the rules name. Where they name none, it
// is one user, who may bind every port.
var publishedUsers = map[string]uint32{"": 0, "root": 0, "u1": 1001, "u2": 1002, "non-root": 1001, "unprivileged other user": 1001}

func (p *publishedSocket) uid(t *testing.T) *uint32 {
	if p.EUID != nil {
		return p.EUID
	}
	uid, known := publishedUsers[p.User]
	if !known {
		t.Fatalf("user %q", p.User)
	}
	return &uid
}

func (p *publishedSocket) has(option string) bool { return slices.Contains(p.Options, option) }

// port stands for those that the rules leave open.
func (p *publishedSocket) port(t *testing.T) uint16 {
	switch port := p.Port.(type) {
	case float64:
		return uint16(port)
	case string:
		return 40000
	}
	t.Fatalf("port %v", p.Port)
	return 0
}

func (p *publishedSocket) address(t *testing.T) netip.Addr {
	if p.Addr == "specific" || p.Addr == "same" {
		return netip.MustParseAddr("192.0.2.1")
	}
	address, err := netip.ParseAddr(p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func (p *publishedSocket) request(t *testing.T, network netstate.Network) netstate.BindRequest {
	return netstate.BindRequest{
		Network: network, Address: p.address(t), Port: p.port(t), UID: p.uid(t), V6Only: p.V6Only,
		ReuseAddr: p.has("SO_REUSEADDR"), ReusePort: p.has("SO_REUSEPORT"),
		ReusePortLB: p.has("SO_REUSEPORT_LB"), Exclusive: p.has("SO_EXCLUSIVEADDRUSE"),
	}
}

// socket is a row of a snapshot, nil for something that is no socket.
func (p *publishedSocket) socket(t *testing.T, network netstate.Network, choice int) *netstate.Socket {
	if p.Kind != "" {
		return nil
	}
	s := &netstate.Socket{
		Network: network, Family: netstate.IPv4,
		Local: netip.AddrPortFrom(p.address(t), p.port(t)),
		UID:   p.uid(t), Inode: 1, Origin: netstate.OriginBind,
		Options: netstate.Options{
			ReuseAddr: new(p.has("SO_REUSEADDR")), ReusePort: new(p.has("SO_REUSEPORT")),
			ReusePortLB: new(p.has("SO_REUSEPORT_LB")),
			Exclusive:   new(p.has("SO_EXCLUSIVEADDRUSE") || strings.Contains(p.State, "SO_EXCLUSIVEADDRUSE")),
		},
	}
	if s.Local.Addr().Is6() {
		s.Family, s.Options.V6Only = netstate.IPv6, new(p.V6Only)
	}
	if s.State = p.state(t, choice); network == netstate.UDP {
		s.State = netstate.StateUnconnected
	}
	if s.State == netstate.StateEstablished || s.State == netstate.StateTimeWait {
		s.Remote = netip.AddrPortFrom(s.Local.Addr(), 1)
	}
	return s
}

// state is one of two states where the rule leaves it open.
func (p *publishedSocket) state(t *testing.T, choice int) netstate.State {
	states := map[string][2]netstate.State{
		"":                         {netstate.StateBound, netstate.StateListen},
		"bound":                    {netstate.StateBound, netstate.StateBound},
		"bound, unconnected":       {netstate.StateBound, netstate.StateBound},
		"bound or listening":       {netstate.StateBound, netstate.StateListen},
		"listen":                   {netstate.StateListen, netstate.StateListen},
		"time_wait":                {netstate.StateTimeWait, netstate.StateTimeWait},
		"connected, or TIME_WAIT":  {netstate.StateEstablished, netstate.StateTimeWait},
		"accepted, its listener":   {netstate.StateEstablished, netstate.StateEstablished},
		"accepted connection stil": {netstate.StateEstablished, netstate.StateEstablished},
	}
	for name, state := range states {
		if p.State == name || name != "" && strings.HasPrefix(name, "accepted") && strings.HasPrefix(p.State, name) {
			return state[choice]
		}
	}
	t.Fatalf("state %s", strconv.Quote(p.State))
	return ""
}
