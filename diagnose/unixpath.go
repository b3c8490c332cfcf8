package diagnose

import (
	"fmt"
	"path"
	"strings"

	"portdoc/netstate"
)

// unixRows are the sockets that have the name: of a path those that are bound
// to the file that is there now.
func unixRows(s *netstate.Snapshot, name string) []row {
	var rows []row
	file := pathFacts(s, name)
	for i, u := range s.Unix {
		switch {
		case isAbstract(name) || u.FileInode == 0:
			if u.Path != name {
				continue
			}
		case file == nil || file.Kind != netstate.PathSocket || u.FileInode != file.Inode || u.FileDevice != file.Device:
			continue
		}
		rows = append(rows, row{index: i, path: name, kind: u.Type, Socket: netstate.Socket{
			Network: netstate.Unix,
			Family:  "unix",
			State:   u.State,
			UID:     u.UID,
			Inode:   u.Inode,
			Owners:  u.Owners,
		}})
	}
	return rows
}

func isAbstract(name string) bool { return strings.HasPrefix(name, "@") }

// pathFacts is what the snapshot knows of a path, nil for nothing.
func pathFacts(s *netstate.Snapshot, name string) *netstate.Path {
	for i := range s.Paths {
		if s.Paths[i].Path == name {
			return &s.Paths[i]
		}
	}
	return nil
}

// unixAttempt is what bind(2) answers for a unix socket. Whatever is at the
// path makes it EADDRINUSE, also a file that nobody listens on (unix(7)).
func (c *inquiry) unixAttempt() attempt {
	name := c.question.Path
	a := attempt{address: name, prediction: Prediction{Bind: ResultOK}}
	if isAbstract(name) {
		for _, r := range c.rows {
			if r.receives() {
				a.prediction.Bind = "EADDRINUSE"
			}
		}
		return a
	}
	switch file := pathFacts(c.snapshot, name); {
	case file == nil, file.Kind == netstate.PathUnknown && file.Errno == "":
		a.prediction = Prediction{Bind: ResultUnknown, Missing: "what is at the path"}
	case file.Errno != "" && (file.Kind == netstate.PathAbsent || file.Kind == netstate.PathUnknown):
		a.prediction.Bind = file.Errno
	case file.Kind != netstate.PathAbsent:
		a.prediction.Bind = "EADDRINUSE"
	}
	return a
}

// unixCulprits are the rows that have the name. A connection that was accepted
// goes by its listener's name and does not stand in the way.
func (c *inquiry) unixCulprits(a attempt) []int {
	var rows []int
	for i, r := range c.rows {
		if a.result() == "EADDRINUSE" && r.receives() {
			rows = append(rows, i)
		}
	}
	return rows
}

var unixListener = Kind{
	ID:    "unix-listener",
	Title: "A process listens on the unix socket",
	About: `A unix socket that a program listens on is taken like a port. Removing its file
does not end the program: it would go on without a name, and a second one
would run beside it. An abstract name (@name, Linux only) has no file; it belongs
to the network namespace and ends with its program.`,
	find: findUnixListener,
}

func findUnixListener(c *inquiry) []finding {
	holders := c.holders(func(r row, owner netstate.Owner, p *netstate.Process) bool {
		return r.Network == netstate.Unix && !isSuspended(p) && c.inheritance(r, owner) == nil
	})
	var findings []finding
	for _, h := range holders {
		does := h.verb("listens on it", "listen on it")
		if c.rows[h.rows[0]].State != netstate.StateListen {
			does = h.verb("has it bound", "have it bound")
		}
		findings = append(findings, finding{
			title:    h.name() + " " + does,
			detail:   sentences(c.unixHolderFacts(h), c.unixNameFacts()),
			summary:  fmt.Sprintf("%s is taken: %s %s", c.label(), h.name(), does),
			rows:     h.rows,
			pids:     h.pids(),
			remedies: c.end(h),
		})
	}
	if f, ok := c.unseenUnixListener(); ok {
		findings = append(findings, f)
	}
	return findings
}

func (c *inquiry) unixHolderFacts(h *holder) string {
	text := fmt.Sprintf("%s %s the %s socket", h.name(), h.verb("has", "have"), c.rows[h.rows[0]].kind)
	if since := c.since(h.lead()); since != "" {
		text += "; it was started " + since + " ago"
		if user := h.lead().User; user != "" {
			text += " by " + Printable(user)
		}
	}
	return text + "."
}

func (c *inquiry) unixNameFacts() string {
	if isAbstract(c.question.Path) {
		return "An abstract name has no file: it is free as soon as the program ends."
	}
	return "Do not remove the file: the program would go on without it."
}

// unseenUnixListener is a socket that answers at the path and is in no list:
// unix sockets are listed by network namespace, and reached from everywhere.
func (c *inquiry) unseenUnixListener() (finding, bool) {
	file := pathFacts(c.snapshot, c.question.Path)
	if c.question.Network != netstate.Unix || file == nil || len(c.rows) > 0 || file.Connect != "ok" && file.Connect != "EPROTOTYPE" {
		return finding{}, false
	}
	return finding{
		title:   "Something listens on it that is not listed here",
		detail:  "A connection to the path finds a socket, and no socket of this " + c.system.facts().unixScope + " has it: it belongs to another one, of a container for instance. " + c.unixNameFacts(),
		summary: c.label() + " is taken: a program in another " + c.system.facts().unixScope + " has it",
		remedies: []Remedy{{
			ID:     "look-in-container",
			Title:  "Look in the container or " + c.system.facts().unixScope + " that shares the directory",
			Effect: "shows who has it and what to do",
		}},
	}, true
}

var staleSocketFile = Kind{
	ID:    "stale-socket-file",
	Title: "A unix socket's file is left over",
	About: `A unix socket's file stays when its program ends without removing it. Nobody
listens any more (a connect is refused), and bind still fails, because the
name exists. SO_REUSEADDR makes no difference. Remove the file and start
again; a server should remove its own stale file, or have its service manager
do it (RuntimeDirectory= in systemd).`,
	find: findStaleSocketFile,
}

func findStaleSocketFile(c *inquiry) []finding {
	file := pathFacts(c.snapshot, c.question.Path)
	if c.question.Network != netstate.Unix || file == nil || file.Kind != netstate.PathSocket || len(c.blocking(row.receives)) > 0 ||
		file.Connect == "ok" || file.Connect == "EPROTOTYPE" {
		return nil
	}
	age := ""
	if since := c.snapshot.Taken.Sub(file.Modified); !file.Modified.IsZero() && since >= 0 {
		age = ", made " + span(since) + " ago,"
	}
	if file.Connect != "ECONNREFUSED" {
		return []finding{{
			title:     "A socket's file is there, and no program that has it is listed",
			detail:    fmt.Sprintf("The file%s is a socket's. Whether anything still listens on it could not be tried, so leave it alone until that is known.", age),
			summary:   c.label() + " is taken: a socket's file is there, perhaps left over",
			certainty: Likely,
			remedies:  []Remedy{c.lookAsRoot()},
		}}
	}
	return []finding{{
		title:   "The file is left over from a program that has ended",
		detail:  fmt.Sprintf("The file%s is a socket's, and nothing listens on it: a connect to it is refused. Bind fails because the name exists; SO_REUSEADDR makes no difference.", age),
		summary: c.label() + " is taken by a socket file that is left over: nothing listens on it",
		remedies: []Remedy{{
			ID:       "remove-file",
			Title:    "Remove the file, then start the server again",
			Commands: []string{c.fileCommand(c.system.removeFile(file.Path), file)},
			Effect:   "the name is free",
			Needs:    c.needs(c.isForeignFile(file)),
		}},
	}}
}

// fileCommand writes a command about a file, for root if it is another user's.
func (c *inquiry) fileCommand(command string, file *netstate.Path) string {
	if c.isForeignFile(file) {
		return c.privileged(command)
	}
	return command
}

func (c *inquiry) isForeignFile(file *netstate.Path) bool {
	return c.isForeign(&netstate.Process{UID: file.UID})
}

var pathExists = Kind{
	ID:    "path-exists",
	Title: "Something that is no socket is at the path",
	About: `Bind makes a new file for a unix socket and never takes over one that is there:
a file, a directory or a symbolic link at the path (wherever it leads) makes
it fail with the same error as a socket that is in use.`,
	find: findPathExists,
}

func findPathExists(c *inquiry) []finding {
	file := pathFacts(c.snapshot, c.question.Path)
	if c.question.Network != netstate.Unix || file == nil {
		return nil
	}
	what := map[netstate.PathKind]string{
		netstate.PathRegular:   "an ordinary file",
		netstate.PathDirectory: "a directory",
		netstate.PathSymlink:   "a symbolic link",
		netstate.PathOther:     "a file that is no socket",
	}[file.Kind]
	if what == "" {
		return nil
	}
	return []finding{{
		title:   capital(what) + " is at the path",
		detail:  "Bind makes a new file and takes over none that is there. What is at the path is no socket, so it may be of use to somebody: look before you move it.",
		summary: fmt.Sprintf("%s is taken: %s is there", c.label(), what),
		remedies: []Remedy{{
			ID:       "look-at-file",
			Title:    "See what it is, and move it away or use another path",
			Commands: []string{c.fileCommand(c.system.lookAtFile(file.Path), file)},
			Effect:   "shows whose it is and from when",
		}},
	}}
}

var pathUnusable = Kind{
	ID:    "path-unusable",
	Title: "No socket can be made at the path",
	About: `The file of a unix socket is made like any other: the directory must be there,
and the user must be allowed to write in it. A path of more than about 107
bytes is too long for a unix socket.`,
	find: findPathUnusable,
}

func findPathUnusable(c *inquiry) []finding {
	file := pathFacts(c.snapshot, c.question.Path)
	if c.question.Network != netstate.Unix || file == nil || c.failure() == "" || c.failure() == "EADDRINUSE" {
		return nil
	}
	directory := path.Dir(file.Path)
	why, remedy := "the system refuses it ("+Printable(file.Errno)+")", Remedy{
		ID: "choose-path", Title: "Use another path", Effect: "the socket can be made there",
	}
	switch file.Errno {
	case "ENOENT":
		why = "the directory " + Printable(directory) + " does not exist"
		remedy = Remedy{
			ID:       "make-directory",
			Title:    "Make the directory (as the user who runs the server)",
			Commands: []string{c.system.makeDirectory(directory)},
			Effect:   "the socket can be made in it",
		}
	case "EACCES", "EPERM":
		why = "this user may not write in " + Printable(directory)
		remedy.Title = "Use a directory of this user's" + c.system.facts().makesDirectories
	case "EROFS":
		why = "the file system of " + Printable(directory) + " is read-only"
	case "ENOTDIR":
		why = "a part of the path is no directory"
	case "ENAMETOOLONG":
		why = "the path is too long for a unix socket"
		remedy.Title = "Use a shorter path, or one relative to the working directory"
	}
	return []finding{{
		title:    "No socket can be made there: " + why,
		detail:   fmt.Sprintf("The name is not taken. Bind makes a file for the socket, and %s.", why),
		summary:  fmt.Sprintf("%s can't be bound: %s", c.label(), why),
		remedies: []Remedy{remedy},
	}}
}
