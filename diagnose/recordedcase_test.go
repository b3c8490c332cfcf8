package diagnose_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// recordedCase is what a Linux kernel answered to one bind or listen, and the
// sockets that were there. One JSON object a line makes a file of them.
type recordedCase struct {
	ID      string           `json:"id"`
	Env     recordedEnv      `json:"env"`
	Setup   []recordedSocket `json:"setup"`
	Request recordedRequest  `json:"request"`
	// Bind and Listen are "ok" or the name of an errno, "-" if not reached.
	Bind   string `json:"bind"`
	Listen string `json:"listen"`
	// Blockers are the ids of the sockets that made it fail; the check is
	// "ok" if the kernel was asked again without them.
	Blockers      []int  `json:"blockers,omitempty"`
	BlockersCheck string `json:"blockers_check,omitempty"`
	// HistorySensitive marks a case that the sockets alone don't explain.
	HistorySensitive bool `json:"history_sensitive,omitempty"`
}

type recordedEnv struct {
	// Local has the addresses of each interface, with prefix lengths.
	Local                 map[string][]netip.Prefix `json:"local"`
	UnprivilegedPortStart int                       `json:"ip_unprivileged_port_start"`
	NonlocalBind          bool                      `json:"ip_nonlocal_bind"`
	AutobindReuse         bool                      `json:"ip_autobind_reuse,omitempty"`
	ReservedPort          uint16                    `json:"ip_local_reserved_port,omitempty"`
}

type recordedSocket struct {
	ID        int        `json:"id"`
	Proto     string     `json:"proto"`
	Family    int        `json:"family"`
	Addr      netip.Addr `json:"addr"`
	Port      uint16     `json:"port"`
	State     string     `json:"state"`
	Origin    string     `json:"origin"`
	Orphan    bool       `json:"orphan,omitempty"`
	TWMini    bool       `json:"tw_mini,omitempty"`
	ReuseAddr bool       `json:"reuseaddr"`
	ReusePort bool       `json:"reuseport"`
	V6Only    bool       `json:"v6only"`
	Dev       string     `json:"dev,omitempty"`
	UID       uint32     `json:"uid"`
	Changed   bool       `json:"flags_changed_after_bind,omitempty"`
}

type recordedRequest struct {
	Op        string     `json:"op"`
	ID        int        `json:"id,omitempty"`
	Proto     string     `json:"proto,omitempty"`
	Family    int        `json:"family,omitempty"`
	Addr      netip.Addr `json:"addr,omitzero"`
	Scope     string     `json:"scope,omitempty"`
	Port      uint16     `json:"port"`
	PortRange []uint16   `json:"port_range,omitempty"`
	ReuseAddr bool       `json:"reuseaddr"`
	ReusePort bool       `json:"reuseport"`
	V6Only    bool       `json:"v6only"`
	FreeBind  bool       `json:"freebind,omitempty"`
	Dev       string     `json:"dev,omitempty"`
	UID       uint32     `json:"uid"`
}

// snapshot is the case as a reader who may see everything would see it, and
// who is the user that binds.
func (c *recordedCase) snapshot() *netstate.Snapshot {
	s := &netstate.Snapshot{
		Schema: netstate.SnapshotSchema,
		Host:   netstate.Host{OS: "linux", Privileged: true},
		Query:  netstate.Query{Endpoints: []netstate.Endpoint{c.endpoint()}},
		Policy: c.policy(),
	}
	for i := range c.Setup {
		s.Sockets = append(s.Sockets, c.Setup[i].socket())
	}
	return s
}

// endpoint is what such a snapshot was asked about.
func (c *recordedCase) endpoint() netstate.Endpoint {
	e := netstate.Endpoint{Network: netstate.Network(c.Request.Proto), Port: c.Request.Port}
	if c.Request.Port == 0 && len(c.Request.PortRange) == 2 {
		e.Port, e.LastPort = c.Request.PortRange[0], c.Request.PortRange[1]
	}
	return e
}

func (c *recordedCase) policy() netstate.Policy {
	p := netstate.Policy{
		UID:                   new(c.Request.UID),
		BindPrivileged:        new(c.Request.UID == 0),
		UnprivilegedPortStart: new(c.Env.UnprivilegedPortStart),
		NonlocalBind4:         new(c.Env.NonlocalBind),
		NonlocalBind6:         new(c.Env.NonlocalBind),
		AutobindReuse:         new(c.Env.AutobindReuse),
		IPv4:                  new(true),
		IPv6:                  new(true),
	}
	if len(c.Request.PortRange) == 2 {
		p.EphemeralPorts = &netstate.PortRange{First: c.Request.PortRange[0], Last: c.Request.PortRange[1]}
	}
	if c.Env.ReservedPort != 0 {
		p.ReservedPorts = []netstate.PortRange{{First: c.Env.ReservedPort, Last: c.Env.ReservedPort}}
	}
	for name, prefixes := range c.Env.Local {
		for _, prefix := range prefixes {
			p.Addresses = append(p.Addresses, netstate.InterfaceAddress{Interface: name, Prefix: prefix})
		}
	}
	return p
}

// socket is the row that a snapshot has for a recorded socket.
func (r *recordedSocket) socket() netstate.Socket {
	s := netstate.Socket{
		Network: netstate.Network(r.Proto),
		Family:  netstate.IPv4,
		Local:   netip.AddrPortFrom(r.Addr, r.Port),
		State:   netstate.State(strings.ToUpper(r.State)),
		UID:     new(r.UID),
		Inode:   uint64(r.ID),
		Device:  r.Dev,
		Options: netstate.Options{ReuseAddr: new(r.ReuseAddr), ReusePort: new(r.ReusePort)},
		Origin:  netstate.OriginBind,
	}
	if r.Family == 6 {
		s.Family = netstate.IPv6
		s.Options.V6Only = new(r.V6Only)
	}
	switch r.Origin {
	case "connect":
		s.Origin = netstate.OriginConnect
	case "accepted", "backlog":
		s.Origin = netstate.OriginAccept
	}
	r.setState(&s)
	return s
}

func (r *recordedSocket) setState(s *netstate.Socket) {
	peer := netip.AddrPortFrom(r.Addr, 1)
	switch r.State {
	case "connected":
		s.State, s.Remote = netstate.StateEstablished, peer
	case "closed": // Reset while it was open.
		s.State, s.Remote = netstate.StateBound, peer
	case "bound", "listen", "unconnected":
	default:
		s.Remote = peer
	}
	if r.Orphan || r.Origin == "backlog" {
		s.Inode = 0
	}
	if r.State == "time_wait" || r.TWMini {
		s.UID = nil
		s.Timer = &netstate.Timer{Kind: netstate.TimerTimeWait, RemainingMilliseconds: 60000}
	}
}

// request is the bind that the case asked for.
func (c *recordedCase) request() netstate.BindRequest {
	r := c.Request
	return netstate.BindRequest{
		Network: netstate.Network(r.Proto), Address: r.Addr.WithZone(r.Scope), Port: r.Port,
		ReuseAddr: r.ReuseAddr, ReusePort: r.ReusePort, V6Only: r.V6Only,
		Device: r.Dev, FreeBind: r.FreeBind, UID: &c.Request.UID,
	}
}

// predict asks for the case's bind, or for its listen on a socket of the setup.
func (c *recordedCase) predict(s *netstate.Snapshot) diagnose.Prediction {
	if c.Request.Op == "listen" {
		return diagnose.PredictListen(s, c.index(c.Request.ID))
	}
	return diagnose.Predict(s, c.request())
}

func (c *recordedCase) index(id int) int {
	for i := range c.Setup {
		if c.Setup[i].ID == id {
			return i
		}
	}
	return -1
}

// outcome is what was recorded, in the words of a prediction.
func (c *recordedCase) outcome() (bind, listen string) {
	return strings.TrimPrefix(c.Bind, "-"), strings.TrimPrefix(c.Listen, "-")
}

// readLines calls line for each line of a plain or gzip file.
func readLines(t testing.TB, path string, line func([]byte)) {
	t.Helper()
	scanner := bufio.NewScanner(bytes.NewReader(readMaybeGzip(t, path)))
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		line(scanner.Bytes())
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
}

func readMaybeGzip(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !filepath.IsAbs(path) {
		data, err = os.ReadFile(filepath.Join("..", path)) // As seen from the module's root.
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(unpacked); err != nil {
		t.Fatal(err)
	}
	return data
}

func readCases(t testing.TB, path string) []recordedCase {
	t.Helper()
	var cases []recordedCase
	readLines(t, path, func(line []byte) {
		var c recordedCase
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("%s: %v\n%s", path, err, line)
		}
		cases = append(cases, c)
	})
	return cases
}
