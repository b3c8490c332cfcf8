package errortext_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"portdoc/diagnose/errortext"
)

const nodeTrace = "Error: listen EADDRINUSE\n    at listen (net.js:936:10)\n  code: 'EADDRINUSE',\n  port: 5000\n}\n"

// brief is "kind address:port line" of each failure, "repeat" marked.
func brief(found []errortext.Failure) []string {
	var out []string
	for _, f := range found {
		port := "-"
		if f.Port != nil {
			port = fmt.Sprint(*f.Port)
		}
		s := fmt.Sprintf("%s %s:%s%s %s %d", f.Kind, f.Address, port, f.Path, f.Op, f.Line)
		if f.Repeat > 0 {
			s += fmt.Sprintf(" repeat %d", f.Repeat)
		}
		out = append(out, s)
	}
	return out
}

func TestScan(t *testing.T) {
	goError := "listen tcp 127.0.0.1:80: bind: address already in use\n"
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "all is well\nlistening on :80\n", nil},
		{"no end of line", strings.TrimSpace(goError), []string{"addrinuse 127.0.0.1:80 bind 1"}},
		{"carriage returns", "a\r\n" + strings.ReplaceAll(nodeTrace, "\n", "\r\n"), []string{"addrinuse :5000 listen 2"}},
		{"escapes", "\x1b[31mlisten tcp \x1b[1m:80\x1b[0m: bind: address already \x1b]8;;http://x\x07in use", []string{"addrinuse :80 bind 1"}},
		{"port in the next lines", nodeTrace, []string{"addrinuse :5000 listen 1"}},
		{"port in the lines before", "Starting server at http://localhost:3000/\nusing 4 threads\nbind: Address already in use\n", []string{"addrinuse localhost:3000 bind 3"}},
		{"numbers that are no ports", "[pid 4321] 12:30:45 worker 7 of 8, HTTP 500\nmain.c:98: bind: errno 98 (Address already in use), fd 5\n", []string{"addrinuse :- bind 2"}},
		{"a client's port", "client 10.0.0.1:40000 connected to port 8080\nbind: Address already in use\n", []string{"addrinuse :- bind 2"}},
		{"another failure's port", "listen tcp :80: bind: address already in use\nbind: Permission denied\n", []string{"addrinuse :80 bind 1", "acces :- bind 2"}},
		{"two on one line", "err: listen tcp4 127.0.0.1:81: bind: address already in use, listen tcp6 [::1]:82: bind: permission denied", []string{"addrinuse 127.0.0.1:81 bind 1", "acces ::1:82 bind 1"}},
		{"one said twice", "cannot start: " + goError + "fatal: " + goError, []string{"addrinuse 127.0.0.1:80 bind 1"}},
		{"a retry", goError + "waiting\n" + goError, []string{"addrinuse 127.0.0.1:80 bind 1", "addrinuse 127.0.0.1:80 bind 3 repeat 1"}},
		{"a retry much later", goError + strings.Repeat("idle\n", 100) + "x " + goError, []string{"addrinuse 127.0.0.1:80 bind 1", "addrinuse 127.0.0.1:80 bind 102 repeat 1"}},
		{"two ports", "listen tcp :80: bind: address already in use\nlisten tcp :81: bind: address already in use\n", []string{"addrinuse :80 bind 1", "addrinuse :81 bind 2"}},
		{"one after the other is announced", "Opening port 80\nError: Address already in use\nOpening port 81\nError: Address already in use\n", []string{"addrinuse :80 bind 2", "addrinuse :81 bind 4"}},
		{"connect", "dial tcp 10.0.0.9:443: connect: cannot assign requested address", []string{"addrnotavail 10.0.0.9:443 connect 1"}},
		{"a reason on the next line", "listen tcp 0.0.0.0:80: bind\n: An attempt was made to access a socket in a way forbidden by its access permissions.", []string{"acces 0.0.0.0:80 bind 1"}},
		{"an unknown language", "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: ฟู บาร์)", []string{"addrinuse 0.0.0.0:80 bind 1"}},
		{"a masked address", "bind() to <your-ip>:80 failed (98: Address already in use)", []string{"addrinuse :80 bind 1"}},
		{"a device that can't be opened", "binding failed: Permission denied, cannot open /dev/ttyUSB0", nil},
		{"a compared constant", "x.Status == Constants.EADDRINUSE", nil},
		{"server without a reason", "Problem starting the console on address 0.0.0.0, port 8080", []string{"addrinuse 0.0.0.0:8080 bind 1"}},
		{"a source's own check", "  if (e.code === 'EADDRINUSE') { port++ }", nil},
		{"cut by a terminal's width", "listen tcp4 0.0.0.0:80: bind: address already\nin use\n", []string{"addrinuse 0.0.0.0:80 bind 1"}},
		{"a key that is bound", "Failed to bind key F1: key already in use", nil},
		{"a socket's path after the reason", "bind: Address in use\nunix_listener: cannot bind to path: /run/a.sock\n", []string{"inuse-unix :-/run/a.sock bind 1"}},
		{"a socket's path without a reason", "cannot bind to path: /run/a.sock\n", nil},
		{"a source's comment", "// bind failed: Address already in use\n", nil},
		{"Qt", "Error: The bound address is already in use\n", []string{"addrinuse :- bind 1"}},
		{"Qt, another address", "Could not listen on 10.1.2.3:8080: The address is not available\n", []string{"addrnotavail 10.1.2.3:8080 listen 1"}},
		{"an address of a house", "The address is not available\n", nil},
		{"a tuple in a tuple", `{error,{cannot_listen,"0.0.0.0",5671,eaddrinuse}}`, []string{"addrinuse 0.0.0.0:5671 bind 1"}},
		{"emphasis", "listen tcp **0.0.0.0:81:** bind: address already in use", []string{"addrinuse 0.0.0.0:81 bind 1"}},
		{"attempts that fail alike", "could not bind on port 4040. Attempting port 4041.\ncould not bind on port 4041. Attempting port 4042.\njava.net.BindException: Cannot assign requested address\n", []string{"addrnotavail :4040 bind 1", "addrnotavail :4041 bind 2"}},
		{"an error's number", "[udp] bind failed: Error number -10048 occurred", []string{"addrinuse :- bind 1"}},
		{"a library's number", "[E] begin(): bind error: -8", []string{"addrinuse :- bind 1"}},
		{"a prefix of HTTP.sys", "Listening on prefix: http://+:8080/a/\nHttpSysException (0x80004005): The process cannot access the file because it is being used by another process\n", []string{"addrinuse :8080 bind 2"}},
		{"a file in use", "IOException: The process cannot access the file because it is being used by another process\n", nil},
		{"who serves a port", "[ INFO ] The process listening on port 80 is /usr/sbin/httpd\n", nil},
		{"a manual", "the address is a wildcard, then it is not possible to bind to this port for\nany other address.\n", nil},
		{"a debug agent's command", "ERROR: transport error 202: bind failed: Address already in use\nUsing startup command: java -agentlib:jdwp=transport=dt_socket,address=8000,server=y\n", []string{"addrinuse :8000 bind 1"}},
		{"AIX", "java.net.BindException: The socket name is already in use.\n", []string{"addrinuse :- bind 1"}},
		{"a server of the name connect", "Starting connect web server on localhost:9001.\nFatal error: listen EADDRNOTAVAIL\n", []string{"addrnotavail localhost:9001 listen 2"}},
		{"Docker's reason on the next line", "Error: ports are not available: exposing port TCP 127.0.0.1:80 -> 127.0.0.1:0:\nlisten tcp4 127.0.0.1:80: bind: Intento de acceso a un socket no permitido\n", []string{"acces 127.0.0.1:80 bind 1"}},
		{"a multicast group", "Cannot join multicast group on NIF en0: Can't assign requested address\n", nil},
		{"a port of a service", "spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated\n", nil},
		{"a client of Windows", "System.Net.Http.HttpRequestException: An attempt was made to access a socket in a way forbidden by its access permissions. (example.com:80)\n ---> System.Net.Sockets.SocketException (10013): An attempt was made to access a socket in a way forbidden by its access permissions.\n", nil},
		{"a ticket's number", "How to handle an \"Address already in use\" error, closes #4321\n", nil},
		{"a list of changes", "- net: add EADDRINUSE to errors\n* Fix \"address already in use\" in tests\n", nil},
		{"a page of the web", "<td><code>EADDRINUSE</code></td>\n", nil},
		{"between two ports", "::bind couldn't find an open port between 27010 and 27012\n", []string{"addrinuse :27010 bind 1"}},
		{"a control channel's port", "named: command channel listening on 127.0.0.1#953\nnamed: could not listen on UDP socket: permission denied\n", []string{"acces :- listen 2"}},
		{"when it is taken", "When the port was already taken, a message was shown\n", nil},
		{"Rust's quotes", `error: Os { code: 49, message: "Can\'t assign requested address" }, binding 10.0.0.1:8080`, []string{"addrnotavail 10.0.0.1:8080 bind 1"}},
		{"a pipe without digits", `Error: listen EADDRINUSE: address already in use \\.\pipe\app`, []string{`inuse-unix :-\\.\pipe\app listen 1`}},
		{"a hint behind a time", "12:00:01 LOG:  could not bind IPv4 address \"127.0.0.1\": Permission denied\n12:00:01 HINT:  Is another server already running on port 5432?\n", []string{"acces 127.0.0.1:5432 bind 1"}},
		{"a translated bind", "无法绑定IPv4地址\"127.0.0.1\": Permission denied\n", []string{"acces 127.0.0.1:- bind 1"}},
		{"stars for an address", "Starting server on **.**.**.**:25560\njava.net.BindException: Cannot assign requested address: bind\n", []string{"addrnotavail :25560 bind 2"}},
		{"Django", "Starting development server at http://192.168.1.2:8000/\nError: That IP address can't be assigned to.\n", []string{"addrnotavail 192.168.1.2:8000 bind 2"}},
		{"Gunicorn", "[ERROR] Invalid address: ('backend', 8001)\n", []string{"addrnotavail backend:8001 bind 1"}},
		{"tries before the reason", strings.Repeat("could not bind on port 4050. Attempting port 4051.\n", 14) + "java.net.BindException: Cannot assign requested address\n", []string{"addrnotavail :4050 bind 1"}},
		{"a question in another language", "LOG:  n'a pas pu lier IPv4 à l'adresse « 127.0.0.1 » : Adresse déjà utilisée\nASTUCE :  Un autre postmaster fonctionne-t'il déjà sur le port 5432 ?\n", []string{"addrinuse 127.0.0.1:5432 bind 1"}},
		{"an interface's address", "ifconfig: ioctl (SIOCDIFADDR): Can't assign requested address\n", nil},
		{"a bind in Ukrainian", "LOG: не вдалось прив'язатись до адреси IPv4 \"127.0.0.1\": Permission denied\nУКАЗІВКА: Можливо інший процес вже виконується на порті 5432?\n", []string{"acces 127.0.0.1:5432 bind 1"}},
		{"an address that is taken", "0.0.0.0:11212 already in use\n", []string{"addrinuse 0.0.0.0:11212 bind 1"}},
		{"an abstract name", "Failed to bind socket @/tmp/.X11-unix/X1: Address already in use\n", []string{"inuse-unix :-@/tmp/.X11-unix/X1 bind 1"}},
		{"a prefix that needs a right", "System.Net.HttpListenerException (5): Access is denied.\n   at System.Net.HttpListener.AddAllPrefixes()\n", []string{"acces :- bind 1"}},
		{"a connect on the line before", "WARNING Error connecting to irc.example.net:6697:\n        error: [Errno 99] Cannot assign requested address\n", []string{"addrnotavail irc.example.net:6697 connect 2"}},
		{"a socket that can't be bound", "Error-Server socket can't be binded\n", []string{"addrinuse :- bind 1"}},
		{"another reason", "listen tcp 0.0.0.0:80: bind: no such device", nil},
		{"a service that isn't known", "./app -l http://[::1]:3000\nCannot create listening socket: Bad service '3000'\n", nil},
		{"a revision before the port", "Starting browser 96.0 (refs/heads@{#947}) on port 5060\nbind() failed: Address already in use\n", []string{"addrinuse :5060 bind 2"}},
		{"a name server's address", "binding TCP socket to 10.0.0.1#53: address in use\n", []string{"addrinuse 10.0.0.1:53 bind 1"}},
		{"a library's call in the next frame", "Unhandled: error -13 EACCES\n   at Net.Check(int status)\n   at Net.uv_tcp_bind(handle, addr)\n", []string{"acces :- bind 1"}},
		{"a library's call on a file", "Unhandled: error -13 EACCES\n   at Files.Check(int status)\n   at Files.fs_open(path)\n", nil},
		{"an address is used", "no preview: http://localhost:8080 is already taken", []string{"addrinuse localhost:8080 bind 1"}},
		{"an address is in use for something", "http://localhost:8080 is used for the callback", nil},
		{"all of a range", "no luck: ports from 7000 to 7099 are all in use", []string{"addrinuse :7000 bind 1"}},
		{"a socket's path is bound", "lib/binder.rb:380:in `add': a server is already bound to: /run/web.sock (RuntimeError)", []string{"inuse-unix :-/run/web.sock bind 1"}},
		{"a key that is already bound", "F1 is already bound to: help", nil},
		{"only the call", "Serving on http://localhost:8082\npanic: failed to listen\n", []string{"addrinuse localhost:8082 listen 2"}},
		{"only the call and no address", "$ ./server\nfailed to listen\n", nil},
		{"a condition", "It tries the next port (5175, 5176) if 5174 is already in use.", nil},
		{"a condition before the failure", "Set PORT if needed, port 5174 is already in use", []string{"addrinuse :5174 bind 1"}},
		{"an opening quotation mark of another kind", "`web/server.rb:12:in `start': Permission denied - bind(2) (Errno::EACCES)`", []string{"acces :- bind 1"}},
		{"code in a sentence", "The call shows `Permission denied - bind(2)` then", nil},
		{"a port that may be taken", "No listener for the API. Its port may already be in use.", []string{"addrinuse :- bind 1"}},
		{"a title of a change", "fix(net): retry listen after EADDRINUSE", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, brief(scan(t, test.text))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestUTF16 has what Windows PowerShell writes with ">", in pieces of any size.
func TestUTF16(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		var text []byte
		for _, u := range utf16.Encode([]rune("\ufeff\U0001f4a5 bind: アドレスは既に使用中です\r\nport: 80\r\n")) {
			text = order.AppendUint16(text, u)
		}
		for _, r := range []io.Reader{bytes.NewReader(text), iotest.OneByteReader(bytes.NewReader(text))} {
			var found []errortext.Failure
			if err := errortext.Scan(r, func(f errortext.Failure) error { found = append(found, f); return nil }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"addrinuse :80 bind 1"}, brief(found)); diff != "" {
				t.Errorf("%v (-want +got):\n%s", order, diff)
			}
			if len(found) > 0 && found[0].Text != "💥 bind: アドレスは既に使用中です" {
				t.Errorf("text %q", found[0].Text)
			}
		}
	}
}

// TestPieces: how the text is cut into writes changes nothing.
func TestPieces(t *testing.T) {
	text := "Starting on port 3000\n" + nodeTrace + "listen tcp :80: bind: address already in use\nx\nlisten tcp :80: bind: address already in use\n"
	var found []errortext.Failure
	err := errortext.Scan(iotest.OneByteReader(strings.NewReader(text)), func(f errortext.Failure) error {
		found = append(found, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(scan(t, text), found); diff != "" {
		t.Errorf("(-whole +bytes):\n%s", diff)
	}
}

// TestSettle is what a growing log needs: a complete failure comes at once, one
// that may go on when the input pauses, and a pause loses nothing.
func TestSettle(t *testing.T) {
	var found []errortext.Failure
	s := errortext.NewScanner(func(f errortext.Failure) error { found = append(found, f); return nil })
	expect := func(when string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, brief(found)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		found = nil
	}
	io.WriteString(s, "listen tcp :80: bind: address already in use\n")
	expect("at once", "addrinuse :80 bind 1")
	io.WriteString(s, strings.Repeat("idle\n", 40)+"bind: Address already in use\n")
	if len(found) > 0 {
		t.Error("a failure without a port did not wait:", brief(found))
	}
	io.WriteString(s, "cannot listen to port: 8080\n")
	expect("with the next line", "addrinuse :8080 bind 42")
	io.WriteString(s, strings.Repeat("idle\n", 40)+"bind: Address already in use\n")
	s.Settle()
	expect("after a pause", "addrinuse :- bind 84")
	io.WriteString(s, strings.Repeat("idle\n", 40)+"? Something is already running on port 3000. Use another")
	s.Settle()
	expect("a prompt", "addrinuse :3000 bind 125")
	io.WriteString(s, " port? (Y/n)\n")
	s.Close()
	expect("no second time")
}

func TestStops(t *testing.T) {
	enough := errors.New("enough")
	calls := 0
	err := errortext.Scan(strings.NewReader("listen tcp :80: bind: address already in use\nlisten tcp :81: bind: address already in use\n"),
		func(errortext.Failure) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%d calls, error %v", calls, err)
	}
	broken := errors.New("broken")
	if err := errortext.Scan(iotest.ErrReader(broken), func(errortext.Failure) error { return nil }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// endless yields a line of 10 MB whose end tells of a failure.
func endless() io.Reader {
	return io.MultiReader(io.LimitReader(repeat("lorem ipsum 12345 "), 10<<20), strings.NewReader(" listen tcp :80: bind: address already in use "),
		io.LimitReader(repeat("dolor [::1]:99 "), 10<<20), strings.NewReader("\nport 81 is already in use\n"))
}

// repeat is a reader of a text that never ends.
type repeat string

func (r repeat) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], r)
	}
	return n, nil
}

func TestLongLine(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var found []errortext.Failure
	if err := errortext.Scan(endless(), func(f errortext.Failure) error { found = append(found, f); return nil }); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if diff := cmp.Diff([]string{"addrinuse :80 bind 1", "addrinuse :81 bind 2"}, brief(found)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes were allocated for a line of 20 MB", used)
	}
	if len(found) > 0 && (len(found[0].Text) > 400 || !strings.Contains(found[0].Text, "address already in use")) {
		t.Errorf("text %q", found[0].Text)
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(nodeTrace))
	f.Add([]byte("\xff\xfeb\x00i\x00n\x00d\x00"))
	f.Add([]byte("\x1b[31mlisten tcp :80: bind: address already in use\x9b\x07\n"))
	f.Add([]byte("bind('', 70000): [Errno 98] [::]:99999 unix:/x\n{1,2,3,4},5 port port=: address already in use ::::1\n"))
	f.Add([]byte("error: bind eaddrinuse 0.0.0.0:53\n  at dgram\nport: 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole := scan(t, string(text))
		for _, failure := range whole {
			checkFailure(t, failure)
		}
		var bytewise []errortext.Failure
		if err := errortext.Scan(iotest.OneByteReader(bytes.NewReader(text)), func(f errortext.Failure) error {
			bytewise = append(bytewise, f)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole, bytewise); diff != "" {
			t.Errorf("cut into bytes (-whole +bytes):\n%s", diff)
		}
	})
}

func checkFailure(t *testing.T, f errortext.Failure) {
	t.Helper()
	for _, s := range []string{f.Text, f.Path, f.Address} {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			t.Errorf("not clean: %q", s)
		}
	}
	if len(f.Text) > 400 || f.Line < 1 {
		t.Errorf("line %d with %d bytes", f.Line, len(f.Text))
	}
	if (f.Kind == errortext.InUseUnix) != (f.Network == "unix") || f.Path != "" && f.Port != nil {
		t.Errorf("kind %s of %s, port %v, path %q", f.Kind, f.Network, f.Port, f.Path)
	}
}

// BenchmarkScan reads a megabyte of ordinary log lines, one failure in it.
func BenchmarkScan(b *testing.B) {
	var text bytes.Buffer
	for i := 0; text.Len() < 1<<20; i++ {
		fmt.Fprintf(&text, "2026-11-22T09:%02d:%02d.123Z INFO  [http-nio-8080-exec-%d] c.e.shop.OrderController : GET /api/orders/%d 200 in %d ms, user=alice\n", i/60%60, i%60, i%10, i*7, i%300)
		if i == 5000 {
			text.WriteString("listen tcp :80: bind: address already in use\n")
		}
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		found := 0
		if err := errortext.Scan(bytes.NewReader(text.Bytes()), func(errortext.Failure) error { found++; return nil }); err != nil || found != 1 {
			b.Fatal(found, err)
		}
	}
}

// BenchmarkScanWorst reads lines of which each must be looked at closely.
func BenchmarkScanWorst(b *testing.B) {
	text := bytes.Repeat([]byte("nginx[1]: open() \"/srv/www/index.html\" failed (13: Permission denied), client: 10.0.0.1, already listening\n"), 10000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if err := errortext.Scan(bytes.NewReader(text), func(errortext.Failure) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
