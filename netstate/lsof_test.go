package netstate

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// lsofOfTest is a server of three processes that share two listeners: the
// first is IPv4's, the second dual-stack. One of them has a connection.
const lsofOfTest = `p4211
u501
f3
tIPv4
d0x11
PTCP
n*:5188
f4
tIPv6
d0x12
PTCP
n*:5188
p4212
u501
f3
tIPv4
d0x11
PTCP
n*:5188
f9
tIPv4
d0x13
PTCP
n127.0.0.1:5188->127.0.0.1:50000
p99
u0
fcwd
tDIR
n/
f5
tIPv6
d0x12
PTCP
n*:5188
f6
tIPv4
d0x14
PUDP
n*:*
f7
tIPv4
d0x15
PTCP
nno PCB, CANTSENDMORE, CANTRCVMORE
`

func TestParseLsof(t *testing.T) {
	at := netip.MustParseAddrPort
	file := func(pid int, uid uint32, fd int, family Family, block uint64, local, remote string) lsofFile {
		f := lsofFile{pid: pid, uid: &uid, fd: fd, network: TCP, family: family, controlBlock: block, local: at(local)}
		if remote != "" {
			f.remote = at(remote)
		}
		return f
	}
	want := []lsofFile{
		file(4211, 501, 3, IPv4, 0x11, "[::]:5188", ""), file(4211, 501, 4, IPv6, 0x12, "[::]:5188", ""),
		file(4212, 501, 3, IPv4, 0x11, "[::]:5188", ""), file(4212, 501, 9, IPv4, 0x13, "127.0.0.1:5188", "127.0.0.1:50000"),
		file(99, 0, 5, IPv6, 0x12, "[::]:5188", ""),
	}
	got, err := parseLsof(lsofOfTest)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(lsofFile{}), cmpopts.EquateComparable(netip.AddrPort{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestParseLsofOtherText(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":               "",
		"no process":            "f3\ntIPv4\nPTCP\nn*:80\n",
		"a warning":             "lsof: WARNING: can't stat() nfs file system /net\n      Output information may be incomplete.\n",
		"a table":               "node      942 alice  143u  IPv4 0xf31ea78adde09ddf      0t0  TCP 127.0.0.1:7265 (LISTEN)\n",
		"a file with a port":    "p7\nf3\ntREG\nn/tmp/a:80\n",
		"a name as the port":    "p7\nf3\ntIPv4\nPTCP\nn*:http\n",
		"a name as the address": "p7\nf3\ntIPv4\nPTCP\nnlocalhost:80\n",
	} {
		if got, err := parseLsof(text); err != nil || got != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := parseLsof("prapportd\n"); err == nil {
		t.Errorf("a process without a number: %+v", got)
	}
}

func TestLsofArguments(t *testing.T) {
	got := lsofArguments(UDP, newPortSet([]PortRange{{8000, 8010}, {53, 53}}))
	if diff := cmp.Diff([]string{"-nPw", "-iUDP:53,8000-8010", "-FpuftdPn"}, got); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

// openRow is a row of the kernel's table.
func openRow(inode, block uint64, family Family, local, remote string, lastPID int, uid uint32) xnuSocket {
	s := xnuSocket{open: true, controlBlock: block, Socket: Socket{
		Network: TCP, Family: family, Local: netip.MustParseAddrPort(local), State: StateListen, Inode: inode, UID: &uid, LastPID: lastPID,
	}}
	if remote != "" {
		s.Remote, s.State = netip.MustParseAddrPort(remote), StateEstablished
	}
	return s
}

func ownersOf(rows []xnuSocket) [][]Owner {
	owners := make([][]Owner, len(rows))
	for i, s := range rows {
		owners[i] = s.Owners
	}
	return owners
}

func TestSetLsofOwners(t *testing.T) {
	files, err := parseLsof(lsofOfTest)
	if err != nil {
		t.Fatal(err)
	}
	closed := openRow(0, 0x13, IPv4, "127.0.0.1:5188", "127.0.0.1:50000", 4212, 501)
	closed.open = false
	with := func(pid int, fds ...int) Owner { return Owner{PID: pid, FDs: fds} }
	tests := map[string]struct {
		rows []xnuSocket
		want [][]Owner
	}{
		"by control block": {
			[]xnuSocket{
				openRow(1, 0x11, IPv4, "0.0.0.0:5188", "", 4212, 501), openRow(2, 0x12, IPv6, "[::]:5188", "", 4211, 501),
				openRow(3, 0x13, IPv4, "127.0.0.1:5188", "127.0.0.1:50000", 4212, 501),
			},
			[][]Owner{{with(4211, 3), with(4212, 3)}, {with(99, 5), with(4211, 4)}, {with(4212, 9)}},
		},
		"by address": {
			[]xnuSocket{
				openRow(1, 0, IPv4, "0.0.0.0:5188", "", 4212, 501), openRow(2, 0x99, IPv6, "[::]:5188", "", 4211, 501),
				openRow(3, 0, IPv6, "[::ffff:127.0.0.1]:5188", "[::ffff:127.0.0.1]:50000", 4212, 501),
			},
			[][]Owner{{with(4211, 3), with(4212, 3)}, {with(99, 5), with(4211, 4)}, {with(4212, 9)}},
		},
		// A socket that was made after the table was read is not taken for
		// another one with its address.
		"younger than the table": {
			[]xnuSocket{openRow(1, 0x12, IPv6, "[::]:5188", "", 4211, 501), openRow(2, 0x77, IPv4, "0.0.0.0:5188", "", 0, 501)},
			[][]Owner{{with(99, 5), with(4211, 4)}, nil},
		},
		"closed":        {[]xnuSocket{closed}, [][]Owner{nil}},
		"another place": {[]xnuSocket{openRow(1, 0, IPv4, "127.0.0.2:5188", "", 4211, 501)}, [][]Owner{nil}},
	}
	for name, test := range tests {
		setLsofOwners(test.rows, files)
		if diff := cmp.Diff(test.want, ownersOf(test.rows)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestSetLsofOwnersAtOnePlace: SO_REUSEPORT lets several sockets have one
// address. Without a common control block the last user tells them apart, and
// where it does not each may be anybody's.
func TestSetLsofOwnersAtOnePlace(t *testing.T) {
	files, err := parseLsof("p1\nf3\ntIPv4\nd0x1\nPTCP\nn*:80\np2\nf3\ntIPv4\nd0x2\nPTCP\nn*:80\np3\nf3\ntIPv4\nd0x3\nPTCP\nn*:80\n")
	if err != nil {
		t.Fatal(err)
	}
	rows := []xnuSocket{
		openRow(7, 0x70, IPv4, "0.0.0.0:80", "", 2, 501), openRow(8, 0x80, IPv4, "0.0.0.0:80", "", 0, 501), openRow(9, 0x90, IPv4, "0.0.0.0:80", "", 44, 501),
	}
	setLsofOwners(rows, files)
	either := []Owner{{PID: 1, FDs: []int{3}}, {PID: 3, FDs: []int{3}}}
	if diff := cmp.Diff([][]Owner{{{PID: 2, FDs: []int{3}}}, either, either}, ownersOf(rows)); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}

func TestOwnersUnseen(t *testing.T) {
	rows := []xnuSocket{
		openRow(1, 0x11, IPv4, "0.0.0.0:5188", "", 4212, 501), // seen
		openRow(2, 0x12, IPv6, "[::]:5188", "", 4211, 70),     // seen, but made by another user
		openRow(3, 0x99, IPv4, "127.0.0.9:5188", "", 1, 0),    // not seen, though its last user is known
		{Socket: Socket{State: StateTimeWait}},
	}
	files, err := parseLsof(lsofOfTest)
	if err != nil {
		t.Fatal(err)
	}
	setLsofOwners(rows, files)
	const why = "lsof shows the processes of other users only to root"
	want := []Limit{
		{Kind: LimitOwners, What: "the owner of socket 3", Why: why, Inodes: []uint64{3}},
		{Kind: LimitOwners, What: "the further owners of socket 2", Why: why, Inodes: []uint64{2}},
	}
	if diff := cmp.Diff(want, ownersUnseen(rows, false, "")); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if got := ownersUnseen(rows, true, ""); got != nil {
		t.Errorf("root sees all, and yet: %v", got)
	}
	failed := ownersUnseen(rows[2:], true, "lsof did not finish in time")
	if len(failed) != 1 || failed[0].Why != "lsof did not finish in time" {
		t.Errorf("lsof failed: %v", failed)
	}
}

func FuzzParseLsof(f *testing.F) {
	f.Add(lsofOfTest)
	f.Add(readCapture(f, "lsof-FpcPnT_macos26.txt"))
	f.Add(readCapture(f, "lsof_controlcenter_5000_7000.txt"))
	f.Fuzz(func(t *testing.T, text string) {
		files, err := parseLsof(text)
		if err != nil && files != nil {
			t.Errorf("files of a broken list: %v", files)
		}
		rows := []xnuSocket{
			openRow(1, 0x11, IPv4, "0.0.0.0:5188", "", 4212, 501), openRow(2, 0x12, IPv6, "[::]:5188", "", 4211, 501),
			openRow(3, 0, IPv4, "0.0.0.0:5188", "", 4211, 501),
		}
		setLsofOwners(rows, files)
		for _, s := range rows {
			if err := s.check(); err != nil {
				t.Error(err)
			}
		}
		for _, file := range files {
			if file.pid <= 0 || file.fd < 0 || file.local.Port() == 0 || !strings.Contains(text, "n") {
				t.Errorf("half a file: %+v", file)
			}
		}
	})
}
