package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"portdoc/netstate"
)

// judge says in one word what a program gets that binds as asked.
func (c *inquiry) judge() Verdict {
	switch c.outcome(c.asked()) {
	case ResultOK:
		if !c.wasTried(c.asked()) && c.mayHideBlocker() {
			return Unknown
		}
		return Free
	case ResultUnknown:
		return Unknown
	}
	for _, set := range c.optionSets() {
		if !set.exclusive && c.outcome(set) == ResultOK {
			return Conditional
		}
	}
	return Blocked
}

// errno is the first error that a bind without options gets.
func (c *inquiry) errno() *string {
	switch outcome := c.outcome(sharing{}); outcome {
	case ResultOK:
		return nil
	case ResultUnknown:
		return c.errnoAsAsked()
	default:
		return &outcome
	}
}

// errnoAsAsked stands in where no bind without options was looked at.
func (c *inquiry) errnoAsAsked() *string {
	outcome := c.outcome(c.asked())
	if outcome == ResultOK || outcome == ResultUnknown {
		return nil
	}
	return &outcome
}

// failure is the error of a bind as asked, "" if it has none.
func (c *inquiry) failure() string {
	if errno := c.errnoAsAsked(); errno != nil {
		return *errno
	}
	return ""
}

// failing is the first address at which a bind as asked fails, the zero Addr
// if none does.
func (c *inquiry) failing() netip.Addr {
	for _, a := range c.tries(c.asked()) {
		if a.failed() {
			return a.request.Address
		}
	}
	return netip.Addr{}
}

// label names the target for people: "5188/tcp", "127.0.0.1:53/udp".
func (c *inquiry) label() string {
	q := c.question
	switch {
	case q.Network == netstate.Unix:
		return Printable(q.Path)
	case q.Port == 0:
		return "a " + string(q.Network) + " port of the system's choice"
	case q.Host != "":
		return Printable(fmt.Sprintf("%s:%d/%s", q.Host, q.Port, q.Network))
	case q.Address.IsValid():
		return Printable(fmt.Sprintf("%v/%s", netip.AddrPortFrom(q.Address, q.Port), q.Network))
	}
	return fmt.Sprintf("%d/%s", q.Port, q.Network)
}

// typed is the target as it is written in commands, quoted for a shell.
func (c *inquiry) typed() string {
	q := c.question
	switch {
	case q.Typed != "":
		return c.system.quote(q.Typed)
	case q.Network == netstate.Unix:
		return c.system.quote(q.Path)
	}
	port := strconv.Itoa(int(q.Port))
	switch {
	case q.Host != "":
		port = q.Host + ":" + port
	case q.Address.IsValid():
		port = netip.AddrPortFrom(q.Address, q.Port).String()
	}
	if q.Network == netstate.UDP {
		port = "udp://" + port
	}
	return c.system.quote(port)
}

// summary is the verdict in one sentence: the words of the cause to act on
// first, where there is one.
func (c *inquiry) summary() string {
	switch c.verdict {
	case Free:
		return c.freeSummary()
	case Unknown:
		if c.outcome(c.asked()) == ResultOK {
			return c.label() + " may be free, but not everything that could stop a bind can be seen"
		}
		return "it can't be told from here whether " + c.label() + " is free"
	}
	for _, f := range c.findings {
		if f.summary != "" {
			return f.summary
		}
	}
	if c.failure() == "EADDRINUSE" {
		return c.label() + " is taken, and nothing that can be seen has it"
	}
	return fmt.Sprintf("%s can't be bound: %s", c.label(), c.errnoWords(c.failure()))
}

// errnoWords says an error in plain words, with its name.
func (c *inquiry) errnoWords(errno string) string {
	words := map[string]string{
		"EACCES":        "the system does not permit it",
		"EPERM":         "the system does not permit it",
		"EINVAL":        "the system does not take the address",
		"EADDRNOTAVAIL": "the address can't be used",
	}[errno]
	if words == "" {
		return Printable(c.system.errno(errno))
	}
	return words + " (" + c.system.errno(errno) + ")"
}

func (c *inquiry) freeSummary() string {
	var places []string
	for _, a := range c.tries(c.asked()) {
		places = append(places, "on "+bracketed(*a))
	}
	with := ""
	if options := c.tries(c.asked())[0].options(); len(options) > 0 {
		with = " with " + list(options)
	}
	switch {
	case c.question.Network == netstate.Unix:
		return c.label() + " is free: nothing is there that would stop a bind"
	case c.wasTried(c.asked()):
		return fmt.Sprintf("%s is free: a bind %s%s succeeds right now", c.label(), list(places), with)
	}
	return fmt.Sprintf("%s is free by the rules: nothing seen stops a bind %s%s (not tried)", c.label(), list(places), with)
}

func bracketed(a attempt) string {
	if a.request.Address.Is6() {
		return "[" + Printable(a.address) + "]"
	}
	return Printable(a.address)
}

// notes say why a program may fail although the address is free.
func (c *inquiry) notes() []string {
	if c.verdict != Free {
		return c.unexplainedNotes()
	}
	if c.question.Network == netstate.Unix {
		return []string{
			"it may bind the path twice, or its last run may have been still closing",
			"it may look at another path: a relative one, another directory, a container",
		}
	}
	var notes []string
	if isFailure(c.outcome(sharing{exclusive: true})) {
		notes = append(notes, "it may set SO_EXCLUSIVEADDRUSE, and that bind fails here because others have the port too")
	}
	notes = append(notes, "it may bind the port twice: a second listen, an include, an inherited PORT")
	if c.system.facts().wildcardsExclude && !c.question.Address.IsValid() && len(c.addresses()) == 2 {
		notes = append(notes, "it may bind 0.0.0.0 and [::]: on one port they exclude each other")
	}
	return append(notes,
		"its last run may have been still closing (a reloader)",
		c.system.facts().elsewhere,
		"its own check of the port may be wrong",
		"Watch it happen: portdoc run -- YOUR PROGRAM",
	)
}

// unexplainedNotes say what may be behind an error for which no cause was
// found.
func (c *inquiry) unexplainedNotes() []string {
	notes := []string{}
	switch facts := c.system.facts(); {
	case len(c.findings) > 0:
	case c.failure() == "EADDRINUSE":
		notes = append(notes, "something may have had it only for a moment, a program that starts or ends: look again", facts.reserves)
	case c.failure() == "EACCES" || c.failure() == "EPERM":
		notes = append(notes, facts.forbids)
	}
	return slices.DeleteFunc(notes, func(note string) bool { return note == "" })
}

// warnings are about a bind that succeeds and then shares its traffic.
func (c *inquiry) warnings() []string {
	warnings := []string{}
	if c.verdict != Free {
		return warnings
	}
	for _, i := range c.shares() {
		r := c.rows[i]
		warnings = append(warnings, fmt.Sprintf(
			"%s has %s too: the bind succeeds, and one of the two gets traffic that is meant for the other",
			c.ownersOf(r), r.where()))
	}
	return warnings
}

// shares are the rows that a bind as asked would share its traffic with.
func (c *inquiry) shares() []int {
	var shares []int
	for _, a := range c.tries(c.asked()) {
		for i, r := range c.rows {
			if a.result() == ResultOK && slices.Contains(a.prediction.Shares, r.index) && !slices.Contains(shares, i) {
				shares = append(shares, i)
			}
		}
	}
	return shares
}
