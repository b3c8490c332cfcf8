package diagnose

import (
	"slices"
	"strings"

	"portdoc/netstate"
)

// needs is what a remedy needs that is for those with all privileges.
func (c *inquiry) needs(privileged bool) []string {
	if privileged {
		return []string{c.system.privilege().name}
	}
	return nil
}

func (c *inquiry) needsToEnd(processes []*netstate.Process) []string {
	return c.needs(slices.ContainsFunc(processes, c.isForeign))
}

// privileged writes a command for somebody with all privileges.
func (c *inquiry) privileged(command string) string {
	if c.readerIsRoot() {
		return command
	}
	return c.system.privilege().command + command
}

// readerIsRoot tells whether the reader has all privileges already. Without
// user ids the snapshot says so itself.
func (c *inquiry) readerIsRoot() bool {
	if uid := c.snapshot.Policy.UID; uid != nil {
		return *uid == 0
	}
	return c.snapshot.Host.Privileged
}

// isForeign tells whether the reader needs privileges to end the process.
// Where there are no user ids the names tell.
func (c *inquiry) isForeign(p *netstate.Process) bool {
	mine := c.snapshot.Policy.UID
	switch {
	case c.readerIsRoot():
		return false
	case mine != nil && p.UID != nil:
		return *mine != *p.UID
	case mine == nil && p.UID == nil && p.User != "" && c.snapshot.Host.User != "":
		return !strings.EqualFold(accountName(p.User), accountName(c.snapshot.Host.User))
	}
	return false
}

// accountName is a user's name without the domain: "alice" of `WORK\alice`.
func accountName(user string) string { return user[strings.LastIndexByte(user, '\\')+1:] }

// end are the remedies that end a holder. There are none for what somebody
// would start again, and for what the system can't do without.
func (c *inquiry) end(h *holder) []Remedy {
	if !c.mayEnd(h) {
		return nil
	}
	return c.system.end(c, h)
}

func (c *inquiry) mayEnd(h *holder) bool {
	return !slices.ContainsFunc(h.heads, func(p *netstate.Process) bool {
		return p.PID <= c.system.lastOfKernel() || c.isSupervised(p) || containerRuntime(p) != "" || slices.ContainsFunc(h.rows, func(i int) bool {
			f := c.forwardOf(c.rows[i], p)
			return f != nil && !f.endable || c.isSystemService(c.rows[i], p)
		})
	})
}
