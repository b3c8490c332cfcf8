package diagnose

import (
	"net/netip"
	"slices"

	"portdoc/netstate"
)

// inquiry is one question about one snapshot, on the way to its report.
type inquiry struct {
	snapshot *netstate.Snapshot
	question Question
	system   system
	rows     []row
	// wildcards is room for the addresses of a question without one.
	wildcards [2]netip.Addr
	// listening are the rows of listeners, unseen the inodes whose owners may
	// be hidden, foreign those whose hidden owners would be in other network
	// namespaces.
	listening       []int
	unseen, foreign map[uint64]bool
	processes       map[int]*netstate.Process
	attempts        []attempt
	verdict         Verdict
	findings        []finding
}

// Why explains what the snapshot means for a program that wants to bind what
// the question asks about. It trusts the outcomes of binds that were tried
// (see [Requests]) over the rules, and never assumes that they were.
func Why(s *netstate.Snapshot, q Question) *Report {
	c := new(inquiry)
	c.begin(s, q)
	c.makeAttempts()
	c.markBlocking()
	c.verdict = c.judge()
	for _, kind := range Kinds() {
		for _, f := range kind.find(c) {
			f.id = kind.ID
			c.findings = append(c.findings, f)
		}
	}
	return c.report()
}

// begin finds what all that follows is about.
func (c *inquiry) begin(s *netstate.Snapshot, q Question) {
	c.snapshot, c.question, c.system, c.rows = s, q, systemOf(s.Host.OS), rowsOf(s, q)
	if len(c.rows) == 0 {
		return // what follows is about rows
	}
	c.unseen, c.foreign, c.processes = map[uint64]bool{}, map[uint64]bool{}, map[int]*netstate.Process{}
	for i, r := range c.rows {
		if r.State == netstate.StateListen {
			c.listening = append(c.listening, i)
		}
	}
	for _, l := range s.Limits {
		for _, inode := range l.Inodes {
			switch l.Kind {
			case netstate.LimitOwners:
				c.unseen[inode] = true
			case netstate.LimitForeignOwners:
				c.foreign[inode] = true
			}
		}
	}
	for i := range s.Processes {
		c.processes[s.Processes[i].PID] = &s.Processes[i]
	}
}

// report writes down what was found.
func (c *inquiry) report() *Report {
	sockets, ids := c.socketTable()
	r := &Report{
		Schema:   ReportSchema,
		Target:   c.target(),
		Taken:    c.snapshot.Taken,
		Host:     c.host(),
		Verdict:  c.verdict,
		Errno:    c.errno(),
		Summary:  c.summary(),
		Attempts: make([]Attempt, 0, len(c.attempts)),
		Causes:   []Cause{},
		Remedies: c.remedies(),
		Sockets:  sockets,
		Warnings: c.warnings(),
		Notes:    c.notes(),
		Limits:   c.limits(),
	}
	for _, a := range c.attempts {
		r.Attempts = append(r.Attempts, a.report())
	}
	for _, f := range c.findings {
		r.Causes = append(r.Causes, f.cause(ids))
	}
	r.Processes = c.processTable(sockets)
	return r
}

func (a attempt) report() Attempt {
	attempt := Attempt{Address: a.address, Options: a.options(), Predicted: a.prediction.Bind}
	if a.observed != "" {
		attempt.Observed = &a.observed
	}
	return attempt
}

func (c *inquiry) target() Target {
	q := c.question
	t := Target{Network: string(q.Network)}
	switch {
	case q.Network == netstate.Unix:
		t.Path = &q.Path
		return t
	case q.Host != "":
		t.Address = q.Host
	case q.Address.IsValid():
		t.Address = q.Address.String()
	default:
		t.Address = "*"
	}
	t.Port = &q.Port
	return t
}

func (c *inquiry) host() Host {
	h := c.snapshot.Host
	return Host{OS: h.OS, Release: h.Release, Privileged: h.Privileged}
}

// remedies are those of all findings, the gentle ones first. One that several
// causes share is said once, with the first.
func (c *inquiry) remedies() []Remedy {
	remedies := []Remedy{}
	for _, f := range c.findings {
		for _, r := range f.remedies {
			r.Cause = f.id
			if r.Where == "" && len(r.Needs) > 0 && !c.readerIsRoot() {
				r.Where = c.system.privilege().place
			}
			if !slices.ContainsFunc(remedies, r.same) {
				remedies = append(remedies, r.filled())
			}
		}
	}
	slices.SortStableFunc(remedies, func(a, b Remedy) int { return a.Risk.rank() - b.Risk.rank() })
	return remedies
}

func (r Remedy) same(other Remedy) bool {
	return r.Where == other.Where && slices.Equal(r.Commands, other.Commands) &&
		(len(r.Commands) > 0 || r.Title == other.Title || r.ID == other.ID)
}

// filled has no nil slice, which JSON would write as null.
func (r Remedy) filled() Remedy {
	if r.Commands == nil {
		r.Commands = []string{}
	}
	if r.Needs == nil {
		r.Needs = []string{}
	}
	if r.Risk == "" {
		r.Risk = NoRisk
	}
	return r
}

func (r Risk) rank() int {
	if r == LosesWork {
		return 1
	}
	return 0
}
