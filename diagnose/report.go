package diagnose

import "time"

// ReportSchema is the value of [Report.Schema].
const ReportSchema = "portdoc.report/v1"

// Report is the answer to a [Question]. Its JSON form is a contract: fields
// may be added, none changed or removed.
type Report struct {
	Schema  string    `json:"schema"`
	Target  Target    `json:"target"`
	Taken   time.Time `json:"taken"`
	Host    Host      `json:"host"`
	Verdict Verdict   `json:"verdict"`
	// Errno is what a plain bind gets, nil when it succeeds or is not known.
	Errno *string `json:"errno"`
	// Summary is the verdict in one sentence, without a full stop.
	Summary string `json:"summary"`
	// Attempts are what a bind gets, by address and options.
	Attempts []Attempt `json:"attempts"`
	// Causes has the one to act on first at the beginning, Remedies the one
	// to try first.
	Causes    []Cause   `json:"causes"`
	Remedies  []Remedy  `json:"remedies"`
	Sockets   []Socket  `json:"sockets"`
	Processes []Process `json:"processes"`
	// Warnings are about a bind that succeeds and still goes wrong; Notes
	// what makes a program fail although the address is free.
	Warnings []string `json:"warnings"`
	Notes    []string `json:"notes"`
	Limits   []Limit  `json:"limits"`
}

// Target is what was asked about.
type Target struct {
	Network string `json:"network"`
	// Address is an IP address, the host name that was asked about, "*" for
	// both wildcards, or "" for a unix socket.
	Address string `json:"address"`
	// Port is nil for a unix socket, Path for everything else.
	Port *uint16 `json:"port"`
	Path *string `json:"path"`
}

// Host is the machine the report is about.
type Host struct {
	OS         string `json:"os"`
	Release    string `json:"release"`
	Privileged bool   `json:"privileged"`
}

// Verdict is the answer in one word.
type Verdict string

// The verdicts.
const (
	// Free: a bind with the asked options succeeds.
	Free Verdict = "free"
	// Conditional: it fails as asked, and succeeds with SO_REUSEADDR or
	// SO_REUSEPORT.
	Conditional Verdict = "conditional"
	// Blocked: it fails whatever the new socket sets.
	Blocked Verdict = "blocked"
	// Unknown: it can't be told from here; the limits say what would tell.
	Unknown Verdict = "unknown"
)

// Attempt is one bind that was predicted and perhaps tried.
type Attempt struct {
	Address string   `json:"address"`
	Options []string `json:"options"`
	// Predicted is "ok", the name of an errno, or "unknown".
	Predicted string `json:"predicted"`
	// Observed is "ok" or the name of an errno; nil where none was tried.
	Observed *string `json:"observed"`
}

// Result is what was observed, else what was predicted.
func (a Attempt) Result() string {
	if a.Observed != nil {
		return *a.Observed
	}
	return a.Predicted
}

// Cause is a reason why a bind fails or will fail.
type Cause struct {
	ID     CauseID `json:"id"`
	Title  string  `json:"title"`
	Detail string  `json:"detail"`
	// Sockets are ids of [Report.Sockets], PIDs of processes in the report.
	Sockets []int `json:"sockets"`
	PIDs    []int `json:"pids"`
	// ClearsInSeconds is when it ends by itself, nil if it does not.
	ClearsInSeconds *float64  `json:"clears_in_seconds"`
	Certainty       Certainty `json:"certainty"`
}

// CauseID names a kind of cause; it is part of the contract.
type CauseID string

// Certainty says how sure a cause is.
type Certainty string

// The certainties. Likely stands for the best explanation of evidence that
// has others.
const (
	Certain Certainty = "certain"
	Likely  Certainty = "likely"
)

// Remedy is something to do about a cause.
type Remedy struct {
	ID    string  `json:"id"`
	Cause CauseID `json:"cause"`
	Title string  `json:"title"`
	// Commands are ready to paste into a shell of the report's system.
	Commands []string `json:"commands"`
	// Where is the place to type them, "" for any terminal.
	Where  string `json:"where"`
	Effect string `json:"effect"`
	Risk   Risk   `json:"risk"`
	// Needs are privileges: "root", on Windows "administrator", ...
	Needs []string `json:"needs"`
}

// Risk is what a remedy may cost.
type Risk string

// The risks.
const (
	NoRisk    Risk = "none"
	LosesWork Risk = "loses-work"
)

// Socket is a row of the evidence.
type Socket struct {
	ID      int     `json:"id"`
	Network string  `json:"network"`
	Family  string  `json:"family"`
	Local   string  `json:"local"`
	Remote  *string `json:"remote"`
	State   string  `json:"state"`
	UID     *uint32 `json:"uid"`
	User    *string `json:"user"`
	Inode   uint64  `json:"inode"`
	PIDs    []int   `json:"pids"`
	// LastPID is a process that the system names beside a socket of which
	// no holder is known: the last that used it, or one that has ended.
	LastPID *int `json:"last_pid,omitempty"`
	// Blocks tells whether a bind that was asked for fails because of it.
	Blocks  bool    `json:"blocks"`
	Timer   *Timer  `json:"timer"`
	Options Options `json:"options"`
	Device  *string `json:"device"`
	Cgroup  *string `json:"cgroup"`
	// Count is the number of sockets that the row stands for.
	Count int `json:"count"`
}

// Timer is the time that a socket's state still lasts.
type Timer struct {
	Kind             string  `json:"kind"`
	RemainingSeconds float64 `json:"remaining_seconds"`
}

// Options are the options of a socket, nil where not known.
type Options struct {
	ReuseAddr *bool `json:"reuseaddr"`
	ReusePort *bool `json:"reuseport"`
	V6Only    *bool `json:"v6only"`
}

// Process is a process that has something to do with a socket.
type Process struct {
	PID         int         `json:"pid"`
	PPID        int         `json:"ppid"`
	Name        string      `json:"name"`
	Command     []string    `json:"command"`
	Exe         string      `json:"exe"`
	ExeDeleted  bool        `json:"exe_deleted"`
	User        string      `json:"user"`
	State       string      `json:"state"`
	StateDetail string      `json:"state_detail"`
	TTY         *string     `json:"tty"`
	Started     time.Time   `json:"started"`
	PGID        int         `json:"pgid"`
	SID         int         `json:"sid"`
	Shell       *ProcessRef `json:"shell"`
	Tracer      *ProcessRef `json:"tracer"`
	// Unit is the service that it belongs to, as the system's service
	// manager calls it, or several.
	Unit      *string `json:"unit"`
	Container *string `json:"container"`
}

// ProcessRef names a process.
type ProcessRef struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
}

// Limit is something that could not be seen, and what would show it.
type Limit struct {
	What   string `json:"what"`
	Why    string `json:"why"`
	Remedy string `json:"remedy"`
}
