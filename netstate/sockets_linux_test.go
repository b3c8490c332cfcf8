package netstate

import (
	"testing"
)

func TestQuick(t *testing.T) {
	c := newConnection(t)
	s := snapshotOfPort(t, TCP, c.listener.local().Port())
	for _, x := range s.Sockets {
		t.Logf("%+v uid=%d", x, *x.UID)
	}
	c.server.close()
	x := inState(t, c.listener.local().Port(), StateFinWait2)
	s = snapshotOfPort(t, TCP, c.listener.local().Port())
	t.Logf("%+v %+v\n%+v", x, x.Timer, s.Peers)
	t.Logf("%v", snapshotOfPort(t, TCP, c.client.local().Port()).Sockets)
}
