package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"portdoc/netstate"
)

// maxSocketPath is the number of bytes that a unix socket's path may have on
// Linux (unix(7), sun_path). Other systems have less room.
const maxSocketPath = 108

// target is what one word of the command line asks about.
type target struct {
	network netstate.Network
	// host is an IP address in its canonical form, a host name in lower
	// case, or "" for both wildcards.
	host string
	port uint16
	// path is that of a unix socket as it was written, or "@" and an
	// abstract name.
	path string
}

// String is a form of the target that [parseTarget] reads as the same.
func (t target) String() string {
	if t.network == netstate.Unix {
		if t.path[0] == '/' || t.path[0] == '@' {
			return t.path
		}
		return "unix:" + t.path
	}
	text := strconv.Itoa(int(t.port))
	if t.host != "" {
		text = net.JoinHostPort(t.host, text)
	}
	if t.network != netstate.TCP {
		text += "/" + string(t.network)
	}
	return text
}

// parseTarget reads a target. It looks service names up in the system's
// tables and resolves no host names. Errors name the word.
func parseTarget(word string) (target, error) {
	if word == "" {
		return target{}, errors.New("an empty word is no target")
	}
	if path, ok := socketPath(word); ok {
		return parsePath(word, path)
	}
	network, rest, err := splitNetwork(word)
	if err != nil {
		return target{}, err
	}
	host, port, err := splitPort(word, rest)
	if err != nil {
		return target{}, err
	}
	t := target{network: network}
	if t.host, err = parseHost(host); err != nil {
		return target{}, err
	}
	t.port, err = parsePort(network, port)
	return t, err
}

// socketPath tells whether a word is about a unix socket, and which.
func socketPath(word string) (string, bool) {
	if path, ok := cutPrefixFold(word, "unix:"); ok {
		if strings.HasPrefix(path, "///") {
			path = path[2:]
		}
		return path, true
	}
	for _, prefix := range []string{"/", "./", "../", "@"} {
		if strings.HasPrefix(word, prefix) {
			return word, true
		}
	}
	return "", false
}

// parsePath makes a target of a unix socket's path or abstract name.
func parsePath(word, path string) (target, error) {
	switch {
	case path == "" || path == "@":
		return target{}, fmt.Errorf("%s has no path: write unix:/run/app.sock, or @name for an abstract name", quote(word))
	case strings.ContainsRune(path, 0):
		return target{}, fmt.Errorf("%s has a zero byte in it, which no path can have", quote(word))
	case len(path) > maxSocketPath:
		return target{}, fmt.Errorf("%s is too long for a unix socket: %d bytes, and %d is the most", quote(word), len(path), maxSocketPath)
	}
	return target{network: netstate.Unix, path: path}, nil
}

// splitNetwork takes the network off a word: the scheme in front of it or the
// name behind it.
func splitNetwork(word string) (netstate.Network, string, error) {
	if scheme, rest, ok := strings.Cut(word, "://"); ok {
		return splitScheme(scheme, rest)
	}
	rest, name, ok := cutLast(word, '/')
	if !ok {
		return netstate.TCP, word, nil
	}
	switch network := netstate.Network(strings.ToLower(name)); network {
	case netstate.TCP, netstate.UDP:
		return network, rest, nil
	}
	return "", "", fmt.Errorf("%s is no network: write 5188/tcp or 5188/udp", quote(name))
}

// splitScheme reads a target that looks like a URL. What follows an http
// server's address is of no interest.
func splitScheme(scheme, rest string) (netstate.Network, string, error) {
	switch scheme = strings.ToLower(scheme); scheme {
	case "tcp", "udp":
		return netstate.Network(scheme), strings.TrimSuffix(rest, "/"), nil
	case "http":
		return netstate.TCP, authority(rest, "80"), nil
	case "https":
		return netstate.TCP, authority(rest, "443"), nil
	}
	return "", "", fmt.Errorf("%s is no scheme: write tcp://, udp:// or http://", quote(scheme))
}

// authority is the host and port of a URL whose scheme was taken off (RFC
// 3986, section 3.2).
func authority(url, defaultPort string) string {
	if end := strings.IndexAny(url, "/?#"); end >= 0 {
		url = url[:end]
	}
	if _, host, ok := cutLast(url, '@'); ok {
		url = host
	}
	if !strings.Contains(url, ":") || strings.HasSuffix(url, "]") {
		url += ":" + defaultPort
	}
	return url
}

// splitPort parts an address from its port. Without a colon it is all port.
// IPv6 addresses are in brackets, but ":::5188" is how netstat and Node write
// that wildcard.
func splitPort(word, text string) (host, port string, err error) {
	if _, err := netip.ParseAddr(text); err == nil && !strings.Contains(text, ":") || strings.HasSuffix(text, "]") {
		return "", "", fmt.Errorf("%s has no port: write %s", quote(word), quote(text+":5188"))
	}
	host, port, ok := cutLast(text, ':')
	if !ok {
		return "", text, nil
	}
	if port == "" && host != ":" {
		return "", "", fmt.Errorf("%s has no port: write localhost:5188 or 5188", quote(word))
	}
	if inside, ok := strings.CutPrefix(host, "["); ok {
		if inside, ok = strings.CutSuffix(inside, "]"); ok && strings.Contains(inside, ":") {
			return inside, port, nil
		}
		return "", "", fmt.Errorf("%s has no IPv6 address in its brackets: write [::1]:5188", quote(word))
	}
	if strings.Contains(host, ":") && host != "::" {
		return "", "", fmt.Errorf("%s is no address and port: an IPv6 address goes in brackets, [::1]:5188", quote(word))
	}
	return host, port, nil
}

// parseHost checks an address or a host name.
func parseHost(host string) (string, error) {
	if host == "" || host == "*" {
		return "", nil
	}
	if address, err := netip.ParseAddr(host); err == nil {
		if strings.ContainsFunc(address.Zone(), notInZone) {
			return "", fmt.Errorf("%s is no name of an interface", quote(address.Zone()))
		}
		return address.Unmap().String(), nil
	}
	if strings.ContainsAny(host, ":%") || !strings.ContainsFunc(host, isLetter) {
		return "", fmt.Errorf("%s is no IP address", quote(host))
	}
	if strings.ContainsFunc(host, notInHostName) || host[0] == '-' || len(host) > 253 {
		return "", fmt.Errorf("%s is no host name", quote(host))
	}
	return strings.ToLower(host), nil
}

// parsePort reads a port number or the name of a service.
func parsePort(network netstate.Network, text string) (uint16, error) {
	if text != "" && strings.Trim(text, "0123456789") == "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%s is no port: ports go from 0 to 65535", quote(text))
		}
		return uint16(port), nil
	}
	if first, last, ok := strings.Cut(text, "-"); ok && first != "" && last != "" && strings.Trim(first+last, "0123456789") == "" {
		return 0, fmt.Errorf("%s is a range of ports: name one of them", quote(text))
	}
	if !strings.ContainsFunc(text, isLetter) || strings.ContainsFunc(text, notInHostName) {
		return 0, fmt.Errorf("%s is no port: ports go from 0 to 65535", quote(text))
	}
	resolver := net.Resolver{PreferGo: true} // reads a file, asks no network
	port, err := resolver.LookupPort(context.Background(), string(network), text)
	if err != nil {
		return 0, fmt.Errorf("%s is no port, and no %s service that this system knows", quote(text), network)
	}
	return uint16(port), nil
}

func isLetter(r rune) bool { return 'a' <= r|0x20 && r|0x20 <= 'z' && r < 0x80 }

func notInHostName(r rune) bool {
	return !isLetter(r) && (r < '0' || r > '9') && !strings.ContainsRune("-._", r)
}

func notInZone(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/[]%", r) }

// cutLast is strings.Cut around the last separator.
func cutLast(text string, separator byte) (before, after string, found bool) {
	i := strings.LastIndexByte(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// cutPrefixFold is strings.CutPrefix for a prefix in any case.
func cutPrefixFold(text, prefix string) (string, bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

// quote shows a word in an error, so that it is one line of moderate length
// whatever is in it.
func quote(word string) string { return strconv.Quote(shorten(word, 60)) }
