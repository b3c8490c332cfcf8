package main

import (
	"strings"
	"testing"

	"portdoc/netstate"
)

func inet(network netstate.Network, host string, port uint16) target {
	return target{network: network, host: host, port: port}
}

func TestParseTarget(t *testing.T) {
	for word, want := range map[string]target{
		"5188":                         inet("tcp", "", 5188),
		"0":                            inet("tcp", "", 0),
		"65535":                        inet("tcp", "", 65535),
		"08080":                        inet("tcp", "", 8080),
		":5188":                        inet("tcp", "", 5188),
		"*:5188":                       inet("tcp", "", 5188),
		"0.0.0.0:5188":                 inet("tcp", "0.0.0.0", 5188),
		"127.0.0.1:5188":               inet("tcp", "127.0.0.1", 5188),
		"[::]:5188":                    inet("tcp", "::", 5188),
		":::5188":                      inet("tcp", "::", 5188),
		"[::1]:5188":                   inet("tcp", "::1", 5188),
		"[0:0::1]:5188":                inet("tcp", "::1", 5188),
		"[fe80::1%eth0]:5188":          inet("tcp", "fe80::1%eth0", 5188),
		"[::ffff:127.0.0.1]:5188":      inet("tcp", "127.0.0.1", 5188),
		"localhost:5188":               inet("tcp", "localhost", 5188),
		"LocalHost:5188":               inet("tcp", "localhost", 5188),
		"my-host.example:80":           inet("tcp", "my-host.example", 80),
		"5188/udp":                     inet("udp", "", 5188),
		"5188/TCP":                     inet("tcp", "", 5188),
		"127.0.0.1:53/udp":             inet("udp", "127.0.0.1", 53),
		"udp://127.0.0.1:53":           inet("udp", "127.0.0.1", 53),
		"tcp://:80":                    inet("tcp", "", 80),
		"TCP://0.0.0.0:2375/":          inet("tcp", "0.0.0.0", 2375),
		"http":                         inet("tcp", "", 80),
		"localhost:https":              inet("tcp", "localhost", 443),
		"domain/udp":                   inet("udp", "", 53),
		"http://localhost:3000/a?b=c":  inet("tcp", "localhost", 3000),
		"https://[::1]/":               inet("tcp", "::1", 443),
		"http://me:secret@localhost/x": inet("tcp", "localhost", 80),
		"/run/app.sock":                {network: "unix", path: "/run/app.sock"},
		"unix:/run/app.sock":           {network: "unix", path: "/run/app.sock"},
		"unix:///run/app.sock":         {network: "unix", path: "/run/app.sock"},
		"unix:app.sock":                {network: "unix", path: "app.sock"},
		"./app.sock":                   {network: "unix", path: "./app.sock"},
		"@abstract":                    {network: "unix", path: "@abstract"},
		"unix:@abstract":               {network: "unix", path: "@abstract"},
		"/tmp/a b.sock":                {network: "unix", path: "/tmp/a b.sock"},
	} {
		got, err := parseTarget(word)
		if err != nil || got != want {
			t.Errorf("parseTarget(%q) = %+v, %v; want %+v", word, got, err, want)
		}
	}
}

func TestParseTargetErrors(t *testing.T) {
	for word, want := range map[string]string{
		"":                             `an empty word is no target`,
		"70000":                        `"70000" is no port: ports go from 0 to 65535`,
		"65536":                        `"65536" is no port: ports go from 0 to 65535`,
		"99999999999999999999":         `"99999999999999999999" is no port: ports go from 0 to 65535`,
		"-5":                           `"-5" is no port: ports go from 0 to 65535`,
		"80.5":                         `"80.5" is no port: ports go from 0 to 65535`,
		"٥١٨٨":                         `"٥١٨٨" is no port: ports go from 0 to 65535`,
		"8000-8010":                    `"8000-8010" is a range of ports: name one of them`,
		"nosuchservice":                `"nosuchservice" is no port, and no tcp service that this system knows`,
		":":                            `":" has no port: write localhost:5188 or 5188`,
		"localhost:":                   `"localhost:" has no port: write localhost:5188 or 5188`,
		"127.0.0.1":                    `"127.0.0.1" has no port: write "127.0.0.1:5188"`,
		"::1":                          `"::1" is no address and port: an IPv6 address goes in brackets, [::1]:5188`,
		"[::1]":                        `"[::1]" has no port: write "[::1]:5188"`,
		"::1:5188":                     `"::1:5188" is no address and port: an IPv6 address goes in brackets, [::1]:5188`,
		"fe80::1%eth0:80":              `"fe80::1%eth0:80" is no address and port: an IPv6 address goes in brackets, [::1]:5188`,
		"[127.0.0.1]:80":               `"[127.0.0.1]:80" has no IPv6 address in its brackets: write [::1]:5188`,
		"[::1:80":                      `"[::1:80" has no IPv6 address in its brackets: write [::1]:5188`,
		"a:b:80":                       `"a:b:80" is no address and port: an IPv6 address goes in brackets, [::1]:5188`,
		"127.0.0.256:80":               `"127.0.0.256" is no IP address`,
		"1.2.3:80":                     `"1.2.3" is no IP address`,
		"a b:80":                       `"a b" is no host name`,
		"münchen:80":                   `"münchen" is no host name`,
		"5188/sctp":                    `"sctp" is no network: write 5188/tcp or 5188/udp`,
		"5188/":                        `"" is no network: write 5188/tcp or 5188/udp`,
		"ftp://x:1":                    `"ftp" is no scheme: write tcp://, udp:// or http://`,
		"unix:":                        `"unix:" has no path: write unix:/run/app.sock, or @name for an abstract name`,
		"@":                            `"@" has no path: write unix:/run/app.sock, or @name for an abstract name`,
		"/" + strings.Repeat("x", 120): `"/xxxxxxxxxxxxxxxxxxxxxxxxxxxxx…xxxxxxxxxxxxxxxxxxxxxxxxxxxxx" is too long for a unix socket: 121 bytes, and 108 is the most`,
		"\x1b[2J":                      `"\x1b[2J" is no port: ports go from 0 to 65535`,
		"80\n90":                       `"80\n90" is no port: ports go from 0 to 65535`,
		"\u202e80":                     `"\u202e80" is no port: ports go from 0 to 65535`,
	} {
		got, err := parseTarget(word)
		if err == nil || err.Error() != want {
			t.Errorf("parseTarget(%q) = %+v, %v; want error %s", word, got, err, want)
		}
	}
}

// FuzzParseTarget checks that nothing makes the parser panic, that errors are
// one line, and that what it reads can be written and read again.
func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{
		"5188", ":::1", "[fe80::1%eth0]:5/udp", "http://a@b:1/", "unix:@x", "./x", "@", "tcp://[::1%a/b]:80", "a:http",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, word string) {
		first, err := parseTarget(word)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("parseTarget(%q): the error %q is not one clean line", word, err)
			}
			return
		}
		second, err := parseTarget(first.String())
		if err != nil || first != second {
			t.Errorf("%q is %+v, written %q, which is %+v, %v", word, first, first, second, err)
		}
	})
}
