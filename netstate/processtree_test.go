package netstate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// aTree: explorer began a shell, which began the server, whose child began a
// grandchild before the server ended. Process 900 has the number of the parent
// of 50, which ended long ago.
func aTree() processTree {
	at := func(minutes int) time.Time { return aMoment.Add(time.Duration(minutes) * time.Minute) }
	return newProcessTree([]systemProcess{
		{pid: 0, name: "System Idle Process"},
		{pid: 4, parent: 0, name: "System", created: at(0)},
		{pid: 100, parent: 96, name: "explorer.exe", created: at(1)},
		{pid: 200, parent: 100, name: "cmd.exe", created: at(2)},
		{pid: 410, parent: 400, name: "child.exe", created: at(5)},
		{pid: 411, parent: 410, name: "grandchild.exe", created: at(6)},
		{pid: 390, parent: 400, name: "older.exe", created: at(2)},
		{pid: 50, parent: 900, name: "orphan.exe", created: at(3)},
		{pid: 900, parent: 100, name: "younger.exe", created: at(7)},
	})
}

func TestAncestors(t *testing.T) {
	tree := aTree()
	tests := map[int]struct {
		parent    int
		ancestors []int
	}{
		4:   {0, nil},
		100: {96, []int{96}}, // a parent that has ended
		200: {100, []int{100, 96}},
		411: {410, []int{410, 400}},
		50:  {0, nil}, // its parent's number belongs to another now
	}
	for pid, want := range tests {
		p := tree[pid]
		if got := tree.parentID(p); got != want.parent {
			t.Errorf("the parent of %d is %d, want %d", pid, got, want.parent)
		}
		if diff := cmp.Diff(want.ancestors, tree.ancestors(p)); diff != "" {
			t.Errorf("the ancestors of %d (-want +got):\n%s", pid, diff)
		}
	}
	loop := newProcessTree([]systemProcess{{pid: 8, parent: 12}, {pid: 12, parent: 8}, {pid: 16, parent: 16}})
	for _, p := range loop {
		if got := loop.ancestors(p); len(got) > 2 {
			t.Errorf("the ancestors of %d in a loop: %v", p.pid, got)
		}
	}
}

func TestHeirs(t *testing.T) {
	tests := map[string]struct {
		socket Socket
		want   []int
	}{
		"time known":        {Socket{LastPID: 400, Created: aMoment.Add(4 * time.Minute)}, []int{410, 411}},
		"time not known":    {Socket{LastPID: 400}, []int{390, 410, 411}},
		"began at one time": {Socket{LastPID: 410, Created: aMoment.Add(6 * time.Minute)}, []int{411}},
		"no children":       {Socket{LastPID: 500}, nil},
		"another's number":  {Socket{LastPID: 900, Created: aMoment}, nil},
	}
	for name, test := range tests {
		var got []int
		for _, heir := range aTree().heirs(&test.socket) {
			got = append(got, heir.pid)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSetOwner(t *testing.T) {
	tests := map[string]struct {
		tree processTree
		pid  int
		want Socket
	}{
		"alive":              {aTree(), 200, Socket{Owners: []Owner{{PID: 200}}}},
		"ended":              {aTree(), 400, Socket{LastPID: 400}},
		"none, as TIME_WAIT": {aTree(), 0, Socket{}},
		"list not readable":  {nil, 400, Socket{Owners: []Owner{{PID: 400}}}},
	}
	for name, test := range tests {
		var got Socket
		test.tree.setOwner(&got, test.pid)
		if diff := cmp.Diff(test.want.Owners, got.Owners); diff != "" || got.LastPID != test.want.LastPID {
			t.Errorf("%s: last pid %d, want %d; owners (-want +got):\n%s", name, got.LastPID, test.want.LastPID, diff)
		}
	}
}
