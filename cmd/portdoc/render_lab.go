package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"portdoc/cmd/portdoc/internal/lab"
	"portdoc/diagnose"
)

// labPage writes an experiment for a person to read, while it is played.
type labPage struct {
	console    *console
	experiment *lab.Experiment
}

// playText plays an experiment and tells what happens.
func playText(ctx context.Context, c *console, e *lab.Experiment, o lab.Options) error {
	l := &labPage{c, e}
	o.Audience = l
	l.write(func(p *page) {
		p.paragraph("", e.Name+": "+sentence(e.Shows))
		p.paragraph(indent, e.Plan)
	})
	result, err := lab.Play(ctx, e, o)
	if err != nil {
		return interrupted()
	}
	l.write(func(p *page) { l.end(p, result) })
	return statusOfResult(result)
}

// write writes what is put on a page at once.
func (l *labPage) write(put func(*page)) {
	p := &page{layout: layout{width: l.console.width, color: l.console.color}}
	put(p)
	io.WriteString(l.console.out, p.String())
}

func (l *labPage) StepBegins(number int, does string) {
	l.write(func(p *page) {
		p.line("")
		p.paragraph(fmt.Sprintf("%d. ", number), does)
	})
}

func (l *labPage) StepEnds(step *lab.StepResult, report *diagnose.Report) {
	l.write(func(p *page) {
		for _, line := range step.Said {
			p.items(indent+indent, []string{diagnose.Printable(line)})
		}
		if report == nil {
			return
		}
		p.report = report
		if p.sockets(); len(report.Sockets) == 0 {
			p.line("")
			p.paragraph(indent, "No socket has the port.")
		}
	})
}

func (l *labPage) Explained(target string, report *diagnose.Report) {
	l.write(func(p *page) {
		if l.experiment.Draws {
			p.heading("The connection, as this port has it (#)")
			p.line("")
			for line := range strings.Lines(lab.Diagram(statesOf(report))) {
				p.line(strings.TrimSuffix(line, "\n"))
			}
		}
		p.heading("$ portdoc why " + target)
		p.WriteString(renderText(report, p.layout))
		p.heading("Why that is so")
		p.paragraph(indent, l.experiment.Why)
	})
}

// statesOf are the states of a report's sockets.
func statesOf(report *diagnose.Report) []string {
	var states []string
	for _, s := range report.Sockets {
		if !slices.Contains(states, s.State) {
			states = append(states, s.State)
		}
	}
	return states
}

func (l *labPage) Kept(target string, pids []int) {
	l.write(func(p *page) {
		p.heading("The state stands until you end it: press Ctrl+C here. Meanwhile, in another terminal:")
		p.commands(indent+indent, []string{lab.Enter(os.Getpid()) + "portdoc why " + target})
		if len(pids) > 0 {
			p.paragraph(indent, "Its processes: "+strings.Trim(fmt.Sprint(pids), "[]")+".")
		}
	})
}

// end says how the experiment ended.
func (l *labPage) end(p *page, result *lab.Result) {
	p.line("")
	e := l.experiment
	mark, text := "✓ ", "As it should be: the report has the cause "+string(e.Cause)+"."
	switch {
	case !result.OK:
		mark, text = "✗ ", "This machine behaved otherwise: "+sentence(result.Problem)
	case e.Cause == "":
		text = "As it should be: the port is " + string(e.Verdict) + "."
	}
	p.paragraph(mark, text)
	gone := "Cleaned up: its processes and files are gone."
	if e.Leaves != "" {
		gone += " The kernel still has " + e.Leaves + "; that ends by itself within a minute."
	}
	p.paragraph(indent, gone)
}
