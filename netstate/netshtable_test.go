package netstate

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// withCRLF ends lines as Windows does.
func withCRLF(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
}

func TestParseExcludedPorts(t *testing.T) {
	administered := []PortRange{{50000, 50059}}
	tests := map[string]excludedPorts{
		"netsh_excludedportrange_1.txt": {[]PortRange{
			{5357, 5357}, {5985, 5985}, {27339, 27339}, {47001, 47001},
			{50101, 50200}, {54913, 55012}, {55390, 55489}, {58598, 58697}, {59263, 59362},
		}, administered},
		"netsh_excludedportrange_2.txt": {[]PortRange{
			{80, 80}, {81, 81}, {88, 88}, {443, 443}, {2869, 2869}, {4041, 5040},
			{5041, 5140}, {5141, 5240}, {5241, 5340}, {5357, 5357}, {8000, 8000},
		}, administered},
		"netsh_excludedportrange_chinese.txt": {system: []PortRange{{1080, 1179}}},
		"netsh_excludedportrange_crlf.txt":    {[]PortRange{{1024, 1123}, {1124, 1223}}, administered},
	}
	for name, want := range tests {
		text := windowsCapture(t, name)
		for _, text := range []string{text, withCRLF(text)} {
			got, err := parseExcludedPorts(text)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(excludedPorts{})); err != nil || diff != "" {
				t.Errorf("%s: %v, (-want +got):\n%s", name, err, diff)
			}
		}
	}
}

func TestParseExcludedPortsOfOddTables(t *testing.T) {
	const heading = "Start Port    End Port\n----------    --------\n"
	tests := map[string]struct {
		text string
		want []PortRange
		ok   bool
	}{
		"no rows":                  {heading + "\n* - Administered port exclusions.\n", nil, true},
		"nothing":                  {"", nil, false},
		"no heading":               {"  1024  1123\n", nil, false},
		"backwards":                {heading + "  1123  1024\n", nil, false},
		"no port":                  {heading + "  1024  65536\n", nil, false},
		"a third number is no row": {heading + "  1024  1123  5\n", nil, true},
	}
	for name, test := range tests {
		got, err := parseExcludedPorts(test.text)
		if diff := cmp.Diff(test.want, got.system); diff != "" || (err == nil) != test.ok {
			t.Errorf("%s: %v, (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestParseDynamicPorts(t *testing.T) {
	const dashes = "\n---------------------------------\n"
	tests := map[string]struct {
		text string
		want *PortRange
	}{
		"English":              {"\nProtocol tcp Dynamic Port Range" + dashes + "Start Port      : 49152\nNumber of Ports : 16384\n\n", &PortRange{49152, 65535}},
		"French":               {"\nPlage de ports dynamique du protocole tcp" + dashes + "Port de démarrage   : 49152\nNombre de ports     : 16384\n", &PortRange{49152, 65535}},
		"widened":              {"\nProtocol tcp Dynamic Port Range" + dashes + "Start Port      : 1024\nNumber of Ports : 13977\n", &PortRange{1024, 15000}},
		"nothing":              {"", nil},
		"one number":           {"x" + dashes + "Start Port : 49152\n", nil},
		"too many ports":       {"x" + dashes + "Start Port : 49152\nNumber of Ports : 16385\n", nil},
		"no ports":             {"x" + dashes + "Start Port : 49152\nNumber of Ports : 0\n", nil},
		"a number beyond all":  {"x" + dashes + "Start Port : 49152\nNumber of Ports : 99999999999999999999\n", nil},
		"a first beyond ports": {"x" + dashes + "Start Port : 65536\nNumber of Ports : 1\n", nil},
	}
	for name, test := range tests {
		for _, text := range []string{test.text, withCRLF(test.text)} {
			got, err := parseDynamicPorts(text)
			if diff := cmp.Diff(test.want, got); diff != "" || (err == nil) != (test.want != nil) {
				t.Errorf("%s: %v, (-want +got):\n%s", name, err, diff)
			}
		}
	}
}

func TestParsePortProxyTable(t *testing.T) {
	tests := map[string]struct {
		text string
		want []PortForward
	}{
		"capture": {windowsCapture(t, "netsh_portproxy_show_all.txt"), []PortForward{
			{TCP, netip.MustParseAddrPort("192.168.226.64:2222"), "10.4.226.215:22"},
		}},
		"two tables, German": {`
Abhören auf ipv4:            Verbinden mit ipv6:

Adresse         Port        Adresse         Port
--------------- ----------  --------------- ----------
*               80          ::1             8080

Abhören auf ipv6:            Verbinden mit ipv4:

Adresse         Port        Adresse         Port
--------------- ----------  --------------- ----------
*               443         server          8443
`, []PortForward{
			{TCP, netip.MustParseAddrPort("0.0.0.0:80"), "[::1]:8080"},
			{TCP, netip.MustParseAddrPort("[::]:443"), "server:8443"},
		}},
		"no rules": {"\n", nil},
	}
	for name, test := range tests {
		for _, text := range []string{test.text, withCRLF(test.text)} {
			got, err := parsePortProxyTable(text)
			if diff := cmp.Diff(test.want, got, cmpopts.EquateComparable(netip.AddrPort{})); err != nil || diff != "" {
				t.Errorf("%s: %v, (-want +got):\n%s", name, err, diff)
			}
		}
	}
}

func TestParsePortProxy(t *testing.T) {
	tests := []struct {
		kind, listen, connect string
		want                  string
	}{
		{"v4tov4", "192.168.0.1/8080", "10.0.0.1/80", "192.168.0.1:8080 10.0.0.1:80"},
		{"v4tov4", "*/8080", "localhost/80", "0.0.0.0:8080 localhost:80"},
		{"v6tov4", "*/8080", "10.0.0.1/80", "[::]:8080 10.0.0.1:80"},
		{"v6tov6", "::1/8080", "fe80::1/80", "[::1]:8080 [fe80::1]:80"},
		{"v4tov4", "server/8080", "10.0.0.1/80", ""},
		{"v4tov4", "/8080", "10.0.0.1/80", ""},
		{"v4tov4", "1.2.3.4", "10.0.0.1/80", ""},
		{"v4tov4", "1.2.3.4/8080", "10.0.0.1/65536", ""},
		{"v4tov4", "1.2.3.4/8080", "", ""},
	}
	for _, test := range tests {
		forward, err := parsePortProxy(test.kind, test.listen, test.connect)
		got := ""
		if err == nil {
			got = forward.Listen.String() + " " + forward.To
		}
		if got != test.want {
			t.Errorf("%s %s=%s is %q (%v), want %q", test.kind, test.listen, test.connect, got, err, test.want)
		}
	}
}

func FuzzNetsh(f *testing.F) {
	f.Add("----------    --------\n  1024  1123 *\r\nStart : 1\nNumber : 2\n")
	f.Add("Listen on ipv4:  Connect to ipv6:\n* 80 ::1 8080\n")
	f.Add("---------\nqueue: x.\n  of:\n    12\n  urls:\n    HTTP://+:80/\n")
	f.Fuzz(func(t *testing.T, text string) {
		if ranges, err := parseExcludedPorts(text); err == nil {
			for _, r := range [][]PortRange{ranges.system, ranges.administered} {
				if err := checkRanges("excluded", r); err != nil {
					t.Error(err)
				}
			}
		}
		if r, err := parseDynamicPorts(text); err == nil && r.First > r.Last {
			t.Errorf("%v", r)
		}
		if forwards, err := parsePortProxyTable(text); err == nil {
			for _, forward := range forwards {
				if !forward.Listen.IsValid() {
					t.Errorf("%v", forward)
				}
			}
		}
		holders, _ := parseHTTPState(text, portSet{{1, 65535}})
		for _, holder := range holders {
			if len(holder.Queue.URLs) == 0 {
				t.Errorf("%+v", holder)
			}
		}
	})
}
