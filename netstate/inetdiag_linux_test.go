package netstate

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

// fakeKernel answers requests in turn, and repeats the last answer.
type fakeKernel struct {
	t        *testing.T
	answers  []fakeAnswer
	requests int
}

// fakeAnswer is a dump of messages, or an errno instead of it. With after, the
// errno comes behind the messages.
type fakeAnswer struct {
	messages [][]byte
	flags    netlink.HeaderFlags
	errno    unix.Errno
}

// newFakeKernel has no bound sockets to look for: it calls itself Linux 6.8.
func newFakeKernel(t *testing.T, answers ...fakeAnswer) (*fakeKernel, *inetDiag) {
	kernel := &fakeKernel{t: t, answers: answers}
	diag := newInetDiag(t.Context(), nltest.Dial(kernel.answer), "6.8.0")
	t.Cleanup(diag.close)
	return kernel, diag
}

func (k *fakeKernel) answer(requests []netlink.Message) ([]netlink.Message, error) {
	k.t.Helper()
	answer := k.answers[min(k.requests, len(k.answers)-1)]
	k.requests++
	header := requests[0].Header
	if answer.errno != 0 && len(answer.messages) == 0 {
		header.Type, header.Flags = netlink.Error, 0
		return []netlink.Message{{Header: header, Data: errorCode(answer.errno)}}, nil
	}
	var messages []netlink.Message
	for _, data := range answer.messages {
		messages = append(messages, netlink.Message{
			Header: netlink.Header{
				Type: typeSockDiagByFamily, Flags: netlink.Multi | answer.flags, Sequence: header.Sequence, PID: nltest.PID,
			},
			Data: data,
		})
	}
	done := netlink.Message{Header: netlink.Header{
		Type: netlink.Done, Flags: netlink.Multi, Sequence: header.Sequence, PID: nltest.PID,
	}}
	if answer.errno != 0 {
		done.Data = errorCode(answer.errno)
	}
	return append(messages, done), nil
}

func errorCode(errno unix.Errno) []byte {
	return binary.NativeEndian.AppendUint32(nil, uint32(-int32(errno)))
}

var port47705 = portSet{{47705, 47705}}

func TestDumpErrors(t *testing.T) {
	row := bytesOf(t, diagCloseWait)
	tests := map[string]struct {
		answer fakeAnswer
		want   error
	}{
		"error at once":           {fakeAnswer{errno: unix.ENOMEM}, unix.ENOMEM},
		"error behind a row":      {fakeAnswer{messages: [][]byte{row}, errno: unix.ENOBUFS}, unix.ENOBUFS},
		"short message":           {fakeAnswer{messages: [][]byte{row, row[:50], row}}, nil},
		"message of another kind": {fakeAnswer{messages: [][]byte{{1, 2, 3, 4}}}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, diag := newFakeKernel(t, test.answer)
			s := &Snapshot{}
			err := diag.read(s, portQuery{network: TCP, ports: port47705})
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if len(s.Sockets) != 0 {
				t.Errorf("rows of a broken dump: %+v", s.Sockets)
			}
			if netlinkRefused(err) {
				t.Errorf("%v is taken for a refusal", err)
			}
		})
	}
}

func TestInterruptedDumpIsRepeated(t *testing.T) {
	row, listener := bytesOf(t, diagCloseWait), changed(t, diagListener, 4, 0xba, 0x59)
	kernel, diag := newFakeKernel(t,
		fakeAnswer{messages: [][]byte{row, row}, flags: netlink.DumpInterrupted},
		fakeAnswer{messages: [][]byte{row, row, row}, flags: netlink.DumpInterrupted},
		fakeAnswer{messages: [][]byte{row, listener}},
	)
	s := &Snapshot{}
	if err := diag.read(s, portQuery{network: TCP, ports: port47705}); err != nil {
		t.Fatal(err)
	}
	if len(s.Sockets) != 2 || len(s.Limits) != 0 || kernel.requests != 3 {
		t.Errorf("%d sockets, limits %v, %d requests", len(s.Sockets), s.Limits, kernel.requests)
	}
}

func TestDumpsThatAreAlwaysInterrupted(t *testing.T) {
	row := bytesOf(t, diagUDP)
	kernel, diag := newFakeKernel(t, fakeAnswer{messages: [][]byte{row}, flags: netlink.DumpInterrupted})
	s := &Snapshot{}
	if err := diag.read(s, portQuery{network: UDP, ports: portSet{{56150, 56150}}}); err != nil {
		t.Fatal(err)
	}
	if len(s.Limits) != 1 || s.Limits[0].Kind != LimitUnstable || len(s.Sockets) != 2 || kernel.requests != 2*maxDumps {
		t.Errorf("%d sockets, limits %v, %d requests", len(s.Sockets), s.Limits, kernel.requests)
	}
}

// TestRowsWithoutInodeStayApart: nothing but the remote address tells one
// TIME_WAIT from another.
func TestRowsWithoutInodeStayApart(t *testing.T) {
	var rows [][]byte
	for i := range byte(100) {
		rows = append(rows, changed(t, diagTimeWait, 6, 0x80, i))
	}
	_, diag := newFakeKernel(t, fakeAnswer{messages: rows}, fakeAnswer{})
	s := &Snapshot{}
	if err := diag.read(s, portQuery{network: TCP, ports: portSet{{51200, 51200}}}); err != nil {
		t.Fatal(err)
	}
	if len(s.Sockets) != 100 {
		t.Errorf("%d of 100 rows", len(s.Sockets))
	}
}

// TestRowsOfOtherPorts are what a filter keeps that was widened.
func TestRowsOfOtherPorts(t *testing.T) {
	_, diag := newFakeKernel(t, fakeAnswer{messages: [][]byte{bytesOf(t, diagTimeWait), bytesOf(t, diagCloseWait)}})
	got, err := diag.collect(TCP, port47705, 0)
	if err != nil || len(got) != 1 || got[0].State != StateCloseWait {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestSocketThatBeginsToListen is in the second walk only.
func TestSocketThatBeginsToListen(t *testing.T) {
	listener := changed(t, diagListener, 4, 0xba, 0x59)
	_, diag := newFakeKernel(t, fakeAnswer{}, fakeAnswer{messages: [][]byte{listener}})
	s := &Snapshot{}
	if err := diag.read(s, portQuery{network: TCP, ports: port47705}); err != nil {
		t.Fatal(err)
	}
	if len(s.Sockets) != 1 || s.Sockets[0].State != StateListen {
		t.Errorf("%+v", s.Sockets)
	}
}

// TestKernelWithoutBoundSockets has an older release, and does not list the
// socket that is bound to find out.
func TestKernelWithoutBoundSockets(t *testing.T) {
	_, diag := newFakeKernel(t, fakeAnswer{})
	diag.release = "6.1.0-18-amd64"
	s := &Snapshot{}
	if err := diag.read(s, portQuery{network: TCP, ports: port47705}); err != nil {
		t.Fatal(err)
	}
	want := []Limit{{
		Kind: LimitBound, Network: TCP,
		What: "TCP sockets that are bound and neither listen nor are connected",
		Why:  "this kernel does not list them (Linux does since 6.8)",
	}}
	if diff := cmp.Diff(want, s.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}

// TestOlderReleaseThatListsBoundSockets asks this kernel under another name,
// as one with a backport would answer.
func TestOlderReleaseThatListsBoundSockets(t *testing.T) {
	diag, err := dialInetDiag(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer diag.close()
	diag.release = "5.14.0-570.el9.x86_64"
	if listed, err := diag.listsBound(); err != nil || !listed {
		t.Errorf("bound sockets are listed: %t, %v", listed, err)
	}
}

func TestReleaseAtLeast(t *testing.T) {
	for release, want := range map[string]bool{
		"6.8.0-31-generic": true, "6.18.44": true, "7.0-rc1": true, "10.1": true,
		"6.7.12": false, "5.15.0": false, "": false, "gvisor": false, "6": false, "4.4.0": false,
	} {
		if got := releaseAtLeast(release, 6, 8); got != want {
			t.Errorf("%q is at least 6.8: %t", release, got)
		}
	}
}

func TestReadSocketsUntilTheContextEnds(t *testing.T) {
	query := Query{Endpoints: []Endpoint{{Network: TCP, Port: 5188}}}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := readSockets(canceled, &Snapshot{Query: query}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	if err := readSockets(late, &Snapshot{Query: query}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("late: %v", err)
	}
}

// TestExchangeEndsWithTheContext has a kernel that never answers: nothing was
// asked.
func TestExchangeEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	diag, err := dialInetDiag(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer diag.close()
	diag.setDeadline()
	answered := make(chan error)
	go func() {
		_, err := diag.conn.Receive()
		answered <- diag.failure(err)
	}()
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// TestDeadlineOfTheContext is passed while the exchange waits.
func TestDeadlineOfTheContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	diag, err := dialInetDiag(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer diag.close()
	diag.setDeadline()
	_, err = diag.conn.Receive()
	if err := diag.failure(err); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
}
