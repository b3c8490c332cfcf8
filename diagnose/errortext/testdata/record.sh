#!/bin/bash
# record.sh FILE: runs real programs whose bind fails (and some whose does not)
# and writes what they print to FILE, a txtar archive with a file per program.
#
# Run it as root in a throw-away Debian 12 (a container or a chroot) that has
# what is to be recorded; programs that are missing are left out:
#   apt-get install --no-install-recommends nginx-light redis-server openssh-server \
#     haproxy apache2-bin mosquitto dnsmasq-base ruby puma php-cli php-fpm erlang-base \
#     elixir lighttpd memcached unbound bind9 squid uwsgi-core python3-uvicorn gunicorn \
#     python3-django python3-aiohttp python3-twisted python3-flask rsync stunnel4 \
#     iperf3 lua-socket lua5.4 tcl guile-3.0 locales ncat mini-httpd busybox tor privoxy \
#     socat netcat-openbsd strace postgresql gcc perl nodejs default-jdk golang rustc
# Everything happens in a network namespace of its own and under /tmp/x.
set -u
if [ -z "${RECORD_INSIDE:-}" ]; then
	out=$(realpath "$1")
	exec env -i RECORD_INSIDE=1 HOME=/tmp/x LC_ALL=C.UTF-8 \
		PATH=/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin:"${RUST_BIN:-/usr/bin}" \
		RUSTUP_HOME="${RUSTUP_HOME:-}" unshare -mnu "$0" "$out"
fi
ip link set lo up
hostname localhost
mount -t tmpfs tmpfs /dev/shm
mkdir -p /tmp/x && cd /tmp/x || exit 1
chmod 777 /tmp/x
: > "$1"

cat > hold.py <<'P'
import os, socket, sys, time
for port in (8080, 5353, 80, 22, 5432):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(socket.AF_INET6, kind)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", port))
        if kind == socket.SOCK_STREAM: s.listen(8)
        os.dup(s.fileno()); s.detach()
s = socket.socket(socket.AF_UNIX); s.bind("/tmp/x/app.sock"); s.listen(8)
print("ready", flush=True)
time.sleep(3600)
P
rm -f app.sock
exec 3< <(exec /usr/bin/python3 hold.py)
holder=$!
read -r _ <&3
trap 'kill $holder' EXIT

# sample NAME COMMAND: needs the command's first word to be there.
sample() {
	local name=$1 first=${2%% *}
	command -v "$first" > /dev/null || { echo "without $name: no $first" >&2; return; }
	{ echo "-- $name --"; timeout -k 1 "${SECONDS_EACH:-8}" bash -c "$2" < /dev/null 2>&1 | head -c 6000 | head -60; } > sample.txt
	[ -n "$(tail -c1 sample.txt | tr -d '\n')" ] && echo >> sample.txt
	# Without what tells the machine, and without trailing spaces.
	sed -E "s/$(uname -r)/6.1.0/; s/nameserver [0-9.]+/nameserver 192.0.2.53/; s/ +\$//" sample.txt >> "$OUT"
}
OUT=$1
nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"

# Runtimes.
mkdir -p go rust/src java
printf 'module example.com/server\n\ngo 1.19\n' > go/go.mod
cat > go/main.go <<'P'
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
)

func main() {
	var err error
	switch os.Args[1] {
	case "http":
		log.Fatal(http.ListenAndServe(os.Args[2], nil))
	case "dial":
		_, err = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("192.0.2.1")}}).Dial("tcp", os.Args[2])
	case "connect":
		_, err = net.Dial("tcp", os.Args[2])
	default:
		if os.Args[1] == "udp" {
			_, err = net.ListenPacket("udp", os.Args[2])
		} else {
			_, err = net.Listen(os.Args[1], os.Args[2])
		}
	}
	if err != nil {
		panic(fmt.Errorf("can't start: %w", err))
	}
}
P
(cd go && HOME=/tmp/x go build -trimpath -o ../goserver . 2>/dev/null)
sample go-http "./goserver http :8080"
sample go-tcp4 "./goserver tcp4 127.0.0.1:8080"
sample go-udp "./goserver udp 0.0.0.0:5353"
sample go-unix "./goserver unix /tmp/x/app.sock"
sample go-acces "$nobody ./goserver tcp :81"
sample go-notavail "./goserver tcp 192.0.2.1:9000"
sample go-dial-notavail "./goserver dial 127.0.0.1:8080"
sample none-go-refused "./goserver connect 127.0.0.1:1"

sample node "node -e 'require(\"http\").createServer().listen(8080)'"
sample node-host "node -e 'require(\"net\").createServer().listen(8080, \"127.0.0.1\")'"
sample node-caught "node -e 'require(\"net\").createServer().on(\"error\", e => console.error(e)).listen(8080, \"127.0.0.1\")'"
sample node-json "node -e 'require(\"net\").createServer().on(\"error\", e => console.log(JSON.stringify({level: 50, err: {message: e.message, stack: e.stack, ...e}}))).listen(8080)'"
sample node-unix "node -e 'require(\"net\").createServer().listen(\"/tmp/x/app.sock\")'"
sample node-acces "$nobody node -e 'require(\"net\").createServer().listen(81)'"
sample node-udp "node -e 'require(\"dgram\").createSocket(\"udp4\").bind(5353)'"
sample node-notavail "node -e 'require(\"net\").createServer().listen(9000, \"192.0.2.1\")'"
sample node-connect-notavail "node -e 'require(\"net\").connect({port: 8080, host: \"127.0.0.1\", localAddress: \"192.0.2.1\"})'"
printf 'const c = require("cluster"); if (c.isPrimary) c.fork(); else require("http").createServer().listen(8080)\n' > cluster.js
sample node-cluster "node cluster.js"
sample none-node-refused "node -e 'require(\"net\").connect(1)'"
sample none-node-file "$nobody node -e 'require(\"fs\").readFileSync(\"/etc/shadow\")'"
sample none-node-started "node -e 'require(\"http\").createServer().listen(9001, () => { console.log(\"listening on http://localhost:9001\"); process.exit() })'"

printf 'import socket\ns = socket.socket()\ns.bind(("", 8080))\n' > bind.py
sample python-bind "python3 bind.py"
printf 'import socket\nHOST, PORT = "127.0.0.1", 8080\ns = socket.create_server((HOST, PORT))\n' > create.py
sample python-create-server "python3 create.py"
sample python-http-server "python3 -m http.server 8080"
sample python-http-acces "$nobody python3 -m http.server 81"
printf 'import asyncio\nasync def main():\n    await asyncio.start_server(print, "127.0.0.1", 8080)\nasyncio.run(main())\n' > aio.py
sample python-asyncio "python3 aio.py"
printf 'import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind("/tmp/x/app.sock")\n' > unix.py
sample python-unix "python3 unix.py"
printf 'import socket\ns = socket.socket()\ns.bind(("192.0.2.1", 0))\n' > notavail.py
sample python-notavail "python3 notavail.py"
printf 'import socket\nsocket.create_connection(("127.0.0.1", 8080), source_address=("192.0.2.1", 0))\n' > source.py
sample python-connect-notavail "python3 source.py"
printf 'async def app(scope, receive, send): pass\n' > asgi.py
sample uvicorn "python3 -m uvicorn asgi:app --port 8080"
printf 'def app(environ, start): pass\n' > wsgi.py
SECONDS_EACH=8 sample gunicorn "gunicorn -b 127.0.0.1:8080 wsgi:app"
sample gunicorn-acces "$nobody gunicorn -b 0.0.0.0:81 wsgi:app"
printf 'from flask import Flask\nFlask("app").run(port=8080)\n' > flask_app.py
sample flask "python3 flask_app.py"
printf 'from aiohttp import web\nweb.run_app(web.Application(), port=8080)\n' > aiohttp_app.py
sample aiohttp "python3 aiohttp_app.py"
(python3 -m django startproject site1 . > /dev/null 2>&1)
sample django "python3 manage.py runserver --noreload 8080"
sample django-acces "$nobody python3 manage.py runserver --noreload 0.0.0.0:81"
sample twistd "twistd3 -n web --listen=tcp:8080"
printf 'import socket, time\nfor _ in range(3):\n    try:\n        socket.create_server(("0.0.0.0", 8080))\n    except OSError as e:\n        print("cannot start on port 8080:", e, "- retrying", flush=True)\n' > retry.py
sample python-retry "python3 retry.py"
sample none-python-refused "python3 -c 'import urllib.request; urllib.request.urlopen(\"http://127.0.0.1:1\")'"
sample none-python-file "$nobody python3 -c 'open(\"/etc/shadow\")'"
sample none-python-name "python3 -m http.server --bind no.such.host.invalid 8080"

cat > java/Server.java <<'P'
import java.net.*;
import java.nio.channels.*;
public class Server {
    public static void main(String[] a) throws Exception {
        switch (a[0]) {
        case "socket": new ServerSocket(8080); break;
        case "privileged": new ServerSocket(81); break;
        case "channel": ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 8080)); break;
        case "http": com.sun.net.httpserver.HttpServer.create(new InetSocketAddress(8080), 0); break;
        case "cause":
            try { new ServerSocket(8080); }
            catch (Exception e) { throw new RuntimeException("Failed to bind to 0.0.0.0/0.0.0.0:8080", e); }
        case "notavail": new ServerSocket(9000, 1, InetAddress.getByName("192.0.2.1")); break;
        case "connect": new Socket("127.0.0.1", 8080, InetAddress.getByName("192.0.2.1"), 0); break;
        case "refused": new Socket("127.0.0.1", 1); break;
        }
    }
}
P
(cd java && javac Server.java 2> /dev/null)
for kind in socket channel http cause notavail connect; do sample "java-$kind" "java -cp java Server $kind"; done
sample java-acces "$nobody java -cp java Server privileged"
sample none-java-refused "java -cp java Server refused"
sample jdwp "java -agentlib:jdwp=transport=dt_socket,server=y,address=*:8080 -version"
sample jdwp-command "echo '\$ java -agentlib:jdwp=transport=dt_socket,server=y,address=*:8080 Server'; java -agentlib:jdwp=transport=dt_socket,server=y,address=*:8080 -version"
sample jmx "java -Dcom.sun.management.jmxremote.port=8080 -Dcom.sun.management.jmxremote.authenticate=false -version"

cat > rust/main.rs <<'P'
use std::net::{TcpListener, UdpSocket};
fn main() -> std::io::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    match a[1].as_str() {
        "unwrap" => { TcpListener::bind("127.0.0.1:8080").unwrap(); }
        "expect" => { TcpListener::bind("0.0.0.0:8080").expect("failed to bind 0.0.0.0:8080"); }
        "udp" => { UdpSocket::bind("0.0.0.0:5353")?; }
        "display" => if let Err(e) = TcpListener::bind("[::]:8080") { eprintln!("error: cannot listen on [::]:8080: {e}"); },
        _ => { std::fs::File::open("/etc/shadow")?; }
    }
    Ok(())
}
P
rustc --remap-path-prefix "$PWD=." -o rustserver rust/main.rs 2> /dev/null
for kind in unwrap expect udp display; do sample "rust-$kind" "./rustserver $kind"; done
sample none-rust-file "$nobody ./rustserver file"

cat > perror.c <<'P'
#include <arpa/inet.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
int main(int n, char **a) {
    setlocale(LC_ALL, "");
    struct sockaddr_in s = {.sin_family = AF_INET, .sin_port = htons(atoi(a[2]))};
    inet_pton(AF_INET, a[1], &s.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&s, sizeof s)) { perror("bind"); return 1; }
    if (listen(fd, 1)) { perror("listen"); return 1; }
    if (n > 3 && fopen(a[3], "r") == NULL) perror(a[3]);
    return 0;
}
P
gcc -o cserver perror.c
sample c-perror "./cserver 0.0.0.0 8080"
sample c-acces "$nobody ./cserver 0.0.0.0 81"
sample c-notavail "./cserver 192.0.2.1 8080"
sample none-c-file "$nobody ./cserver 127.0.0.1 9002 /etc/shadow"
sample strace "strace -e trace=bind,listen ./cserver 127.0.0.1 8080"
for locale in de_DE fr_FR es_ES it_IT pt_BR ru_RU uk_UA pl_PL nl_NL sv_SE tr_TR cs_CZ ja_JP ko_KR zh_CN zh_TW; do
	command -v localedef > /dev/null && localedef -i "$locale" -f UTF-8 "$locale.UTF-8" 2> /dev/null
	sample "c-$locale" "env LC_ALL=$locale.UTF-8 ./cserver 0.0.0.0 8080"
	sample "c-$locale-acces" "$nobody env LC_ALL=$locale.UTF-8 ./cserver 0.0.0.0 81"
	sample "c-$locale-notavail" "env LC_ALL=$locale.UTF-8 ./cserver 192.0.2.1 8080"
done
sample none-c-de-file "$nobody env LC_ALL=de_DE.UTF-8 ./cserver 127.0.0.1 9002 /etc/shadow"

sample perl "perl -MIO::Socket::INET -e 'IO::Socket::INET->new(Listen => 5, LocalPort => 8080) or die qq(can\\x27t listen on port 8080: \$\\!\\n)'"
sample perl-bare "perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(8080, INADDR_ANY)) or die \"bind: \$!\"'"
sample ruby "ruby -rsocket -e 'TCPServer.new(8080)'"
sample ruby-host "ruby -rsocket -e 'TCPServer.new(\"127.0.0.1\", 8080)'"
sample ruby-acces "$nobody ruby -rsocket -e 'TCPServer.new(\"0.0.0.0\", 81)'"
sample ruby-notavail "ruby -rsocket -e 'TCPServer.new(\"192.0.2.1\", 9000)'"
sample ruby-unix "ruby -rsocket -e 'UNIXServer.new(\"/tmp/x/app.sock\")'"
printf 'run ->(env) { [200, {}, []] }\n' > config.ru
sample puma "puma -b tcp://127.0.0.1:8080 config.ru"
sample php-server "php -S localhost:8080"
sample php-stream "php -r 'stream_socket_server(\"tcp://0.0.0.0:8080\");'"
sample php-acces "$nobody php -S 0.0.0.0:81"
printf '[global]\nerror_log=/dev/stderr\n[www]\nuser=nobody\nlisten=127.0.0.1:8080\npm=static\npm.max_children=1\n' > fpm.conf
sample php-fpm "php-fpm8.2 -F -y /tmp/x/fpm.conf"
sed 's,^listen=.*,listen=/tmp/x/app.sock,' fpm.conf > fpm-unix.conf
sample php-fpm-unix "php-fpm8.2 -F -y /tmp/x/fpm-unix.conf"
sample erlang "erl -noshell -eval '{ok, _} = gen_tcp:listen(8080, [])' -s init stop"
sample erlang-print "erl -noshell -eval 'io:format(\"cannot listen on ~p: ~p~n\", [{{127,0,0,1},8080}, gen_tcp:listen(8080, [])]), halt(1).'"
sample elixir "elixir -e '{:ok, _} = :gen_tcp.listen(8080, [])'"
sample lua "lua5.4 -e 'assert(require(\"socket\").bind(\"127.0.0.1\", 8080))'"
sample tcl "sh -c 'echo socket -server x 8080 | tclsh'"
sample guile "guile -c '(let ((s (socket PF_INET SOCK_STREAM 0))) (bind s AF_INET INADDR_ANY 8080))'"

# Servers.
conf='worker_processes 1; events {} http { access_log off; server { listen %s; } }'
printf "$conf" 8080 > nginx.conf; printf "$conf" 80 > nginx80.conf; printf "$conf" unix:/tmp/x/app.sock > nginx-unix.conf
printf "$conf" 81 > nginx-acces.conf; printf "$conf" 192.0.2.1:9000 > nginx-notavail.conf; printf 'events {} http { server { listen 80 ' > nginx-bad.conf
nginx="nginx -p /tmp/x -e stderr -g 'pid /tmp/x/n.pid; daemon off;' -c /tmp/x"
sample nginx "$nginx/nginx.conf"
sample nginx-80 "$nginx/nginx80.conf"
sample nginx-unix "$nginx/nginx-unix.conf"
sample nginx-notavail "$nginx/nginx-notavail.conf"
sample nginx-acces "$nobody $nginx/nginx-acces.conf"
sample nginx-de "env LC_ALL=de_DE.UTF-8 $nginx/nginx80.conf"
sample nginx-fr-acces "$nobody env LC_ALL=fr_FR.UTF-8 $nginx/nginx-acces.conf"
sample none-nginx-config "$nginx/nginx-bad.conf"
sample redis "redis-server --port 8080"
sample redis-unix-bind "redis-server --bind 192.0.2.1 --port 9000"
SECONDS_EACH=1 sample none-redis-started "redis-server --port 9003 --save ''"
ssh-keygen -q -t ed25519 -N '' -f /tmp/x/hostkey
mkdir -p /run/sshd
sample sshd "/usr/sbin/sshd -D -e -f /dev/null -h /tmp/x/hostkey -p 8080"
sample sshd-notavail "/usr/sbin/sshd -D -e -f /dev/null -h /tmp/x/hostkey -o ListenAddress=192.0.2.1:9000"
mkdir -p /tmp/x/.ssh && cp hostkey.pub /tmp/x/.ssh/authorized_keys && chmod -R go= .ssh
/usr/sbin/sshd -D -f /dev/null -h /tmp/x/hostkey -p 2022 -o AuthorizedKeysFile=/tmp/x/.ssh/authorized_keys -o StrictModes=no 3>&- 2> /dev/null &
sshd=$!
ssh="ssh -F /dev/null -i /tmp/x/hostkey -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=INFO -p 2022"
sleep 1 # sshd prints nothing when it is ready
sample ssh-forward "$ssh -L 8080:localhost:1 localhost true"
sample ssh-forward-command "echo '\$ ssh -N -L 8080:db.internal:5432 bastion'; $ssh -L 8080:db.internal:5432 localhost true"
sample ssh-dynamic "$ssh -D 127.0.0.1:8080 localhost true"
sample ssh-remote "$ssh -R 8080:localhost:1 localhost true"
kill $sshd
printf 'global\n  maxconn 10\ndefaults\n  mode http\n  timeout client 1s\n  timeout connect 1s\n  timeout server 1s\nfrontend web\n  bind 0.0.0.0:8080\n' > haproxy.cfg
sample haproxy "haproxy -f /tmp/x/haproxy.cfg"
sed 's/:8080/:81/' haproxy.cfg > haproxy-acces.cfg
sample haproxy-acces "$nobody haproxy -f /tmp/x/haproxy-acces.cfg"
printf 'ServerRoot /tmp/x\nServerName localhost\nListen 8080\nPidFile /tmp/x/a.pid\nLoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\nLoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\nErrorLog /dev/stderr\n' > apache.conf
sample apache "apache2 -X -f /tmp/x/apache.conf"
sed 's/Listen 8080/Listen 81/' apache.conf > apache-acces.conf
sample apache-acces "$nobody apache2 -X -f /tmp/x/apache-acces.conf"
printf 'server.document-root = "/tmp/x"\nserver.port = 8080\n' > lighttpd.conf
sample lighttpd "lighttpd -D -f /tmp/x/lighttpd.conf"
sample memcached "memcached -u nobody -p 8080"
sample mosquitto "mosquitto -p 8080"
printf 'listener 8080 127.0.0.1\n' > mosquitto.conf
sample mosquitto-v "mosquitto -v -c /tmp/x/mosquitto.conf"
sample dnsmasq "dnsmasq -d -C /dev/null -p 5353"
sample dnsmasq-address "dnsmasq -d -C /dev/null -p 5353 --bind-interfaces --listen-address=127.0.0.1"
printf 'server:\n  interface: 127.0.0.1@5353\n  chroot: ""\n  username: ""\n  directory: "/tmp/x"\n  use-syslog: no\n' > unbound.conf
sample unbound "unbound -d -c /tmp/x/unbound.conf"
printf 'options { directory "/tmp/x"; listen-on port 5353 { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; };\ncontrols {};\n' > named.conf
SECONDS_EACH=3 sample named "named -g -c /tmp/x/named.conf -p 5353"
printf 'http_port 127.0.0.1:8080\npid_filename none\ncache_log /tmp/x/squid.log\naccess_log none\ncache_effective_user proxy\n' > squid.conf
sample squid "squid -N -d1 -f /tmp/x/squid.conf"
sample uwsgi "uwsgi --http-socket 127.0.0.1:8080"
printf 'use chroot = no\n' > rsyncd.conf
sample rsyncd "rsync --daemon --no-detach --port 8080 --config=/tmp/x/rsyncd.conf --log-file=/dev/stderr"
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=localhost 2> /dev/null
printf 'foreground=yes\npid=\ncert=/tmp/x/cert.pem\nkey=/tmp/x/key.pem\n[web]\naccept=8080\nconnect=1\n' > stunnel.conf
sample stunnel "stunnel4 /tmp/x/stunnel.conf"
sample iperf3 "iperf3 -s -p 8080"
sample socat "socat TCP-LISTEN:8080 -"
sample socat-unix "socat UNIX-LISTEN:/tmp/x/app.sock -"
sample nc "nc -l 8080"
sample nc-command "echo '\$ nc -l -p 8080'; nc -l -p 8080"
sample ncat "ncat -l 127.0.0.1 8080"
sample busybox-nc "busybox nc -l -p 8080"
sample busybox-httpd "busybox httpd -f -p 8080"
sample mini-httpd "mini_httpd -D -p 8080"
sample tor "tor --SocksPort 8080 --DataDirectory /tmp/x/tor --hush"
printf 'listen-address 127.0.0.1:8080\nlogfile privoxy.log\n' > privoxy.conf
sample privoxy "privoxy --no-daemon /tmp/x/privoxy.conf"
mkdir -p pg && chown nobody pg
pg="$nobody env LC_ALL=C.UTF-8"
$pg initdb -D /tmp/x/pg -A trust > /dev/null 2>&1
sample postgres "$pg postgres -D /tmp/x/pg -p 5432 -k /tmp/x"
sample postgres-8080 "$pg postgres -D /tmp/x/pg -p 8080 -k '' -c listen_addresses=127.0.0.1"
sample postgres-address "$pg postgres -D /tmp/x/pg -p 9004 -k '' -c listen_addresses=192.0.2.1"
sample none-postgres-lock "$pg sh -c 'echo 1 > /tmp/x/pg/postmaster.pid; postgres -D /tmp/x/pg -p 9006'; rm -f /tmp/x/pg/postmaster.pid"

# Look-alikes.
sample none-ss "ss -ltnup"
sample none-curl "curl -sS http://127.0.0.1:1/"
sample none-ls "$nobody ls /root/"
sample none-ssh-refused "ssh -o StrictHostKeyChecking=no -p 1 127.0.0.1"
sample none-mount "$nobody mount --bind /tmp/x /mnt"
sample none-tool-names "echo 'if (err.code === \"EADDRINUSE\") retry();'; printenv HOME"
