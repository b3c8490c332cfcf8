package lab

import (
	"context"
	"net/netip"
	"os"
	"strings"
)

// stage is where an experiment is played: its processes by name, its port, its
// files.
type stage struct {
	Options
	ctx    context.Context
	result *Result
	actors []*actor
	// port is the one that the experiment is about, address where its
	// server listens.
	port    uint16
	address string
	files   string
	kept    bool
}

// loopback is an address with a port that the system chooses, out of reach for
// other machines.
const loopback = "127.0.0.1:0"

// serve starts a server on an address.
func (s *stage) serve(name, address string, flags ...string) {
	server := s.start(name, append([]string{"serve", "--addr", address}, flags...)...)
	line := server.line()
	where, ok := strings.CutPrefix(line, "listening on ")
	if !ok {
		surprised("%s does not listen: %s", name, line)
	}
	s.on(where)
}

// on makes an address the one that the experiment is about.
func (s *stage) on(address string) {
	where, err := netip.ParseAddrPort(address)
	if err != nil {
		surprised("%v", err)
	}
	s.address, s.port = address, where.Port()
}

// connect starts a client of the server and returns the port of its own.
func (s *stage) connect(name string, flags ...string) (local string) {
	client := s.start(name, append([]string{"client", s.address}, flags...)...)
	line := client.line()
	_, local, ok := strings.Cut(line, " from ")
	if !ok {
		surprised("%s is not connected: %s", name, line)
	}
	return local
}

// greet connects a client and lets it get an echo.
func (s *stage) greet(name string, flags ...string) {
	s.connect(name, flags...)
	s.get("server").line() // the address of the client
	s.echo(name, "hello")
}

// echo sends a line from a client and waits until it is back.
func (s *stage) echo(name, line string) {
	s.get(name).tell(line)
	s.get("server").wants(line)
	s.get(name).wants(line)
}

// actor starts a process that makes sockets as it is told.
func (s *stage) actor(name string) { s.start(name, ActorCommand).wants("ready") }

// do lets an actor make something and returns its answer.
func (s *stage) do(name string, words ...string) string {
	a := s.get(name)
	a.tell(strings.Join(words, " "))
	answer, ok := strings.CutPrefix(a.next(), "ok ")
	if !ok {
		surprised("%s could not %s: %s", name, strings.Join(words, " "), answer)
	}
	s.says(name, strings.Join(words, " ")+": "+answer)
	return answer
}

// get is the actor of that name that was started last.
func (s *stage) get(name string) *actor {
	for i := len(s.actors) - 1; i >= 0; i-- {
		if s.actors[i].name == name {
			return s.actors[i]
		}
	}
	panic("no actor " + name)
}

// says notes a line of a process.
func (s *stage) says(name, line string) {
	step := s.current()
	step.Said = append(step.Said, name+": "+line)
}

// longestDirectory leaves room for a name in the path of a unix socket, which
// has 108 bytes on Linux and 104 elsewhere (unix(7), sys/un.h).
const longestDirectory = 90

// directory is one for files, removed in the end. Where the usual place has a
// path too long for a unix socket it is in /tmp.
func (s *stage) directory() string {
	if s.files == "" {
		place := os.TempDir()
		if len(place)+len("/portdoc-lab-4294967295") > longestDirectory {
			place = "/tmp"
		}
		files, err := os.MkdirTemp(place, "portdoc-lab-")
		if err != nil {
			surprised("a directory for files: %v", err)
		}
		s.files = files
	}
	return s.files
}

// pids are the processes that still run.
func (s *stage) pids() []int {
	var pids []int
	for _, a := range s.actors {
		if !a.gone() {
			pids = append(pids, a.command.Process.Pid)
		}
	}
	return pids
}

// cleanUp ends all processes and removes all files.
func (s *stage) cleanUp() {
	for _, a := range s.actors {
		a.kill()
	}
	if s.files != "" {
		os.RemoveAll(s.files)
	}
}
