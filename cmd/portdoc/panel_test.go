package main

import (
	"net/netip"
	"sync"
	"testing"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// TestPanel: each question is answered once, by one worker those about one port,
// and from the sockets of that port alone.
func TestPanel(t *testing.T) {
	s := new(netstate.Snapshot)
	var asked []diagnose.Question
	for i := range uint16(3 * many) {
		port := 1000 + i*7%500 // some several times, in no order
		asked = append(asked, diagnose.Question{Network: netstate.TCP, Port: port}, diagnose.Question{Network: netstate.UDP, Port: port})
		s.Sockets = append(s.Sockets, netstate.Socket{Network: netstate.TCP, Local: netip.AddrPortFrom(netip.IPv6Unspecified(), port)})
	}
	var lock sync.Mutex
	answered := make(map[int]int)
	groups := make(map[portKey]int)
	newPanel(s, asked).each(func(w *worker) {
		lock.Lock()
		defer lock.Unlock()
		key := questionKey(asked[w.group[0]])
		groups[key]++
		for _, i := range w.group {
			answered[i]++
			if questionKey(asked[i]) != key {
				t.Errorf("question %d is in the group of %v", i, key)
			}
		}
		for _, socket := range w.part.Sockets {
			if socketKey(socket) != key {
				t.Errorf("%v has a socket on port %d", key, socket.Local.Port())
			}
		}
		if found := len(w.part.Sockets) > 0; found != (key.network == netstate.TCP) {
			t.Errorf("%v has %d sockets", key, len(w.part.Sockets))
		}
	})
	for i := range asked {
		if answered[i] != 1 {
			t.Errorf("question %d was answered %d times", i, answered[i])
		}
	}
	for key, times := range groups {
		if times != 1 {
			t.Errorf("%v has %d groups", key, times)
		}
	}
}
