package netstate

// Limit is something that a snapshot does not show and a reader of it must
// know about.
type Limit struct {
	Kind LimitKind `json:"kind"`
	// Network is the one whose sockets it is about, "" for all of them.
	Network Network `json:"network,omitempty"`
	// What is missing, as a noun phrase: "the owner of socket 91234".
	What string `json:"what"`
	// Why it is, as a clause: "it belongs to root".
	Why string `json:"why"`
	// Inodes are the sockets that it is about; empty for all.
	Inodes []uint64 `json:"inodes,omitempty"`
}

// Concerns tells whether the limit is about sockets of a network.
func (l Limit) Concerns(network Network) bool { return l.Network == "" || l.Network == network }

// LimitKind classifies limits by what would lift them.
type LimitKind string

// The kinds of limit.
const (
	// LimitOwners: the owners of the sockets in Inodes may be processes
	// that the reader was not permitted to look into.
	LimitOwners LimitKind = "owners"
	// LimitForeignOwners: the same, and each of those processes is in another
	// network namespace. It can have such a socket only if it was handed over,
	// or changed its namespace since.
	LimitForeignOwners LimitKind = "foreign-owners"
	// LimitOptions: the options of a socket could not be read from its owner.
	LimitOptions LimitKind = "options"
	// LimitBound: the kernel does not list sockets that are bound and
	// neither listen nor are connected (Linux before 6.8).
	LimitBound LimitKind = "bound-sockets"
	// LimitSource: the best source was refused, and a poorer one was read.
	LimitSource LimitKind = "source"
	// LimitProcess: facts about a process could not be read.
	LimitProcess LimitKind = "process"
	// LimitPolicy: a setting of the system could not be read.
	LimitPolicy LimitKind = "policy"
	// LimitProbe: a bind could not be tried.
	LimitProbe LimitKind = "probe"
	// LimitPath: a path could not be looked at.
	LimitPath LimitKind = "path"
	// LimitUnstable: the sockets changed faster than they could be read.
	LimitUnstable LimitKind = "unstable"
	// LimitUnsupported: this system has no source for it yet.
	LimitUnsupported LimitKind = "unsupported"
)

// limitPolicy says that a part of the policy is missing, if there is an error.
func (s *Snapshot) limitPolicy(what string, err error) { s.missing(LimitPolicy, what, err) }

// missing says that something could not be read, if there is an error.
func (s *Snapshot) missing(kind LimitKind, what string, err error) {
	if err != nil {
		s.Limits = append(s.Limits, Limit{Kind: kind, What: what, Why: "reading it failed: " + err.Error()})
	}
}
