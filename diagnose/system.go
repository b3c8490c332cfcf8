package diagnose

import "portdoc/netstate"

// system has what people of one operating system are told in words of their
// own: what to type, and what is so there and not elsewhere. Beside the bind
// rules nothing in this package asks which system a snapshot is of.
type system interface {
	// quote writes a word so that the system's shell reads it back as it is.
	quote(word string) string
	// privilege is what may do everything there, and how to get it.
	privilege() privilege
	// end are the remedies that end a holder, a polite one and the last
	// resort; resume those for one that is stopped.
	end(c *inquiry, h *holder) []Remedy
	resume(c *inquiry, h *holder) []Remedy
	// kill is the last resort for processes of a holder.
	kill(c *inquiry, h *holder, processes []*netstate.Process) Remedy
	// lastOfKernel is the highest pid that stands for the system itself and
	// is never to be ended.
	lastOfKernel() int
	// services is the system's service manager.
	services() serviceManager
	// errno is what the system calls the error of that name.
	errno(name string) string
	// removeFile, lookAtFile and makeDirectory are commands about a path.
	removeFile(path string) string
	lookAtFile(path string) string
	makeDirectory(path string) string
	// bindPrivileged are the remedies for a port that is for root, beside
	// another port.
	bindPrivileged(c *inquiry) []Remedy
	// reservePort keeps the asked port from being lent to outgoing
	// connections, widenRange lends more ports.
	reservePort(c *inquiry) []Remedy
	widenRange(c *inquiry, lent netstate.PortRange) []Remedy
	// seeOwners is a command that shows which process has the asked port, for
	// those with all privileges.
	seeOwners(c *inquiry) string
	// facts are short ones that texts are made of.
	facts() facts
}

// facts are what is so on one system. A text that is "" is left out.
type facts struct {
	// stopped says how a process is stopped, "" where signals do it;
	// stoppedMeans what becomes of it.
	stopped, stoppedMeans string
	// elsewhere is where a program can run and have ports of its own.
	elsewhere string
	// outside is where the reader may be shut in, with what is needed to look
	// from outside it.
	outside, outsideAsRoot string
	// showDevice shows a network device, with a %s; stopNFS stops the NFS
	// server of the kernel.
	showDevice, stopNFS string
	// forbids and reserves may be behind an EACCES and an EADDRINUSE for
	// which no cause was found.
	forbids, reserves string
	// unowned says how a socket can be open in no process.
	unowned string
	// showAddresses is a command that lists the interfaces' addresses, and
	// hostsFile where the names of addresses are.
	showAddresses, hostsFile string
	// privilegedPorts says whose the ports below a limit are, with a %d; ""
	// where there are none.
	privilegedPorts string
	// listsBound says since when the system lists sockets that are bound and
	// do not listen.
	listsBound string
	// notInherited says how a program keeps its sockets from those that it
	// starts.
	notInherited string
	// unixScope is what has unix sockets of its own.
	unixScope string
	// makesDirectories says who else can make a directory for a socket.
	makesDirectories string
	// reuse is how SO_REUSEADDR gets past what old connections left.
	reuse reuseRule
	// wildcardsExclude tells that 0.0.0.0 and dual-stack [::] exclude each
	// other.
	wildcardsExclude bool
	// addressesShare tells that one user's sockets may have the wildcard and
	// a single address of one port.
	addressesShare bool
	// groups tells that all sockets with SO_REUSEPORT get a part of the
	// traffic, and must belong to one user, root or not.
	groups bool
}

// reuseRule is which sockets must have SO_REUSEADDR for a bind to get past old
// connections.
type reuseRule int

const (
	_ reuseRule = iota // not known for the system
	// reuseNew: the new one (4.4BSD and what came of it).
	reuseNew
	// reuseBoth: the new one and the one that left the connection (Linux).
	reuseBoth
	// reuseSteals: the option is for something else, and takes the port from
	// whoever has it (Windows).
	reuseSteals
)

// privilege is what may do everything on a system.
type privilege struct {
	// name is what a remedy needs: "root".
	name string
	// command is what a command has in front to get it, place where to type
	// it instead.
	command, place string
}

// serviceManager starts and stops a system's services.
type serviceManager interface {
	// looksAfter tells whether it started the process, so that it is the
	// one to end it.
	looksAfter(p *netstate.Process) bool
	// restarts tells whether it may start a service again that was killed.
	restarts() bool
	// stop ends the service that p belongs to.
	stop(c *inquiry, p *netstate.Process) Remedy
	// activators are the remedies where it holds a socket itself, for a
	// service that it will start.
	activators(c *inquiry) []Remedy
}

// systemOf is the system of a GOOS value. Those that are not known are taken
// for one of the Unix kind.
func systemOf(os string) system {
	switch os {
	case "linux":
		return linux{}
	case "darwin":
		return macOS{}
	case "freebsd":
		return freeBSD{}
	case "openbsd":
		return openBSD{}
	case "netbsd":
		return netBSD{}
	case "windows":
		return windows{}
	}
	return posix{}
}
