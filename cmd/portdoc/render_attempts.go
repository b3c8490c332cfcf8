package main

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"portdoc/diagnose"
)

// attempts writes the table of binds where it says more than the verdict.
func (p *page) attempts() {
	if !p.telling() {
		return
	}
	columns := []column{{title: "A bind of", head: true}}
	for _, a := range p.report.Attempts {
		if cell := p.bindAddress(a); !slices.Contains(columns[0].cells, cell) {
			columns[0].cells = append(columns[0].cells, cell)
		}
	}
	for _, a := range p.report.Attempts {
		title := optionsTitle(a.Options)
		if !slices.ContainsFunc(columns, func(c column) bool { return c.title == title }) {
			columns = append(columns, p.outcomes(title, columns[0].cells))
		}
	}
	p.table(columns)
}

// telling tells whether the binds differ from each other or from what was
// expected.
func (p *page) telling() bool {
	if len(p.report.Attempts) == 0 || p.report.Target.Port == nil {
		return false
	}
	first := p.report.Attempts[0].Result()
	return slices.ContainsFunc(p.report.Attempts, func(a diagnose.Attempt) bool {
		return surprising(a) || a.Result() != first
	})
}

// outcomes is the column of one set of options.
func (p *page) outcomes(title string, addresses []string) column {
	c := column{title: title, cells: make([]string, len(addresses))}
	for i, address := range addresses {
		c.cells[i] = "-"
		for _, a := range p.report.Attempts {
			if p.bindAddress(a) == address && optionsTitle(a.Options) == title {
				c.cells[i] = outcome(a)
			}
		}
	}
	return c
}

func (p *page) bindAddress(a diagnose.Attempt) string {
	return diagnose.Printable(net.JoinHostPort(a.Address, strconv.Itoa(int(*p.report.Target.Port))))
}

func optionsTitle(options []string) string {
	if len(options) == 0 {
		return "plain"
	}
	return diagnose.Printable("with " + strings.Join(options, ", "))
}

// outcome says what a bind gets, and what was expected if that was something
// else.
func outcome(a diagnose.Attempt) string {
	if surprising(a) {
		return resultWords(*a.Observed) + " (expected: " + resultWords(a.Predicted) + ")"
	}
	return resultWords(a.Result())
}

// resultWords says the result of a bind in plain words.
func resultWords(result string) string {
	switch result {
	case "EADDRINUSE":
		return "in use"
	case "EACCES":
		return "not permitted"
	case "EADDRNOTAVAIL":
		return "no such address"
	case "EAFNOSUPPORT":
		return "no such family"
	}
	return diagnose.Printable(result)
}
