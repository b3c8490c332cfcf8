package netstate

import (
	"bytes"
	"strconv"
)

// decodeProcNetUnix decodes /proc/net/unix (unix_seq_show in
// net/unix/af_unix.c). It shows neither files nor peers nor users, and each
// NUL of an abstract name as "@". A name may contain newlines: a line that
// does not look like a socket continues the name before it.
func decodeProcNetUnix(text []byte) []unixRow {
	var rows []unixRow
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	for _, line := range lines[1:] { // the first has the titles
		row, ok := decodeProcNetUnixLine(line)
		switch {
		case ok:
			rows = append(rows, row)
		case len(rows) > 0:
			rows[len(rows)-1].Path += "\n" + string(line)
		}
	}
	return rows
}

// decodeProcNetUnixLine decodes "Num: RefCount Protocol Flags Type St Inode"
// and the name, if there is one. All but the inode are hexadecimal.
func decodeProcNetUnixLine(line []byte) (unixRow, bool) {
	number, rest, ok := bytes.Cut(line, []byte(": "))
	if !ok || !isHex(number) {
		return unixRow{}, false
	}
	var fields [6]uint64 // RefCount Protocol Flags Type St Inode
	for i := range fields {
		var field []byte
		rest = bytes.TrimLeft(rest, " ") // the inode is padded to 5 columns
		field, rest, _ = bytes.Cut(rest, []byte(" "))
		base := 16
		if i == len(fields)-1 {
			base = 10
		}
		value, err := strconv.ParseUint(string(field), base, 64)
		if err != nil {
			return unixRow{}, false
		}
		fields[i] = value
	}
	kind := uint8(fields[3])
	return unixRow{UnixSocket: UnixSocket{
		Path:  string(rest),
		Type:  unixType(kind),
		State: unixState(kind, procNetUnixState(fields[2], fields[4])),
		Inode: fields[5],
	}}, true
}

// procNetUnixState turns the flags and the enum socket_state of a line into
// the state that they were made from.
func procNetUnixState(flags, state uint64) uint8 {
	const (
		acceptsConnections = 1 << 16 // __SO_ACCEPTCON
		connecting         = 2       // SS_CONNECTING
		connected          = 3       // SS_CONNECTED
	)
	switch {
	case flags&acceptsConnections != 0:
		return unixListen
	case state == connecting || state == connected:
		return unixEstablished
	}
	return unixClose
}

func isHex(text []byte) bool {
	_, err := strconv.ParseUint(string(text), 16, 64)
	return err == nil
}
