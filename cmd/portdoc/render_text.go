package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"portdoc/diagnose"
)

// maxProse is the number of columns beyond which prose is hard to read.
const maxProse = 100

// layout is how a report is to look.
type layout struct {
	width      int
	color      bool
	allSockets bool
}

// page is a report's text in the making.
type page struct {
	strings.Builder
	layout
	report *diagnose.Report
}

// renderText is the report for a person to read: the verdict, the evidence,
// why, what to do, and what could not be seen.
func renderText(report *diagnose.Report, l layout) string {
	p := &page{layout: l, report: report}
	p.verdict()
	p.sockets()
	p.attempts()
	p.why()
	p.warnings()
	p.remedies()
	p.notes()
	p.limits()
	return p.String()
}

// prose is the number of columns for running text.
func (p *page) prose() int { return max(20, min(p.width, maxProse)) }

func (p *page) line(text string) { p.WriteString(strings.TrimRight(text, " ") + "\n") }

// paragraph writes wrapped text; its first line starts with mark, the others
// are indented as far.
func (p *page) paragraph(mark, text string) {
	indent := strings.Repeat(" ", displayWidth(mark))
	for i, line := range wrap(diagnose.Printable(text), p.prose()-len(indent)) {
		if i == 0 {
			p.line(mark + line)
		} else {
			p.line(indent + line)
		}
	}
}

// commands writes commands to paste: whole, each on a line of its own.
func (p *page) commands(indent string, commands []string) {
	for _, command := range commands {
		p.line(indent + diagnose.Printable(command))
	}
}

// heading starts a new part.
func (p *page) heading(text string) {
	p.line("")
	p.paragraph("", text)
}

func (p *page) verdict() {
	mark, color := verdictMark(p.report.Verdict)
	p.paragraph(mark+" ", sentence(p.report.Summary))
	if p.color {
		text := p.String()
		p.Reset()
		p.WriteString(paint(mark, color) + strings.TrimPrefix(text, mark))
	}
}

// verdictMark is the sign that stands before a verdict, and its colour.
func verdictMark(v diagnose.Verdict) (mark, color string) {
	switch v {
	case diagnose.Free:
		return "✓", green
	case diagnose.Conditional:
		return "~", yellow
	case diagnose.Blocked:
		return "✗", red
	}
	return "?", yellow
}

func (p *page) why() {
	for i, cause := range p.report.Causes {
		if i == 0 {
			p.heading("Why")
		} else {
			p.line("")
		}
		text := cause.Detail
		if text == "" {
			text = sentence(cause.Title)
		}
		p.paragraph("  ", text)
	}
}

func (p *page) warnings() {
	for i, warning := range p.report.Warnings {
		if i == 0 {
			p.heading("Take care")
		}
		p.paragraph("  · ", sentence(warning))
	}
}

func (p *page) remedies() {
	for i, remedy := range p.report.Remedies {
		if i == 0 {
			p.heading("What to do")
		}
		mark := fmt.Sprintf("  %d. ", i+1)
		p.paragraph(mark, remedyTitle(remedy))
		p.commands(strings.Repeat(" ", len(mark)+2), remedy.Commands)
	}
}

// remedyTitle introduces the commands below it, if there are any.
func remedyTitle(r diagnose.Remedy) string {
	title := strings.TrimRight(r.Title, ".:")
	if r.Where != "" && !strings.Contains(title, r.Where) {
		if strings.HasSuffix(title, ")") {
			title += ", in " + r.Where
		} else {
			title += " (in " + r.Where + ")"
		}
	}
	if len(r.Commands) > 0 {
		return title + ":"
	}
	return sentence(title)
}

// notes writes those that end the heading's sentence with a dot before them,
// and one that is a sentence of its own without.
func (p *page) notes() {
	for i, note := range p.report.Notes {
		if i == 0 {
			p.heading(notesHeading(p.report.Verdict))
		}
		mark := "  · "
		if first, _ := utf8.DecodeRuneInString(note); unicode.IsUpper(first) {
			mark = indent
		}
		p.paragraph(mark, note)
	}
}

func notesHeading(v diagnose.Verdict) string {
	if v == diagnose.Free {
		return `If your program still says "address already in use":`
	}
	return "Also"
}

// limits say what could not be seen. What has the same reason is one sentence,
// and what would show several of them is said once, after the last.
func (p *page) limits() {
	all := joined(p.report.Limits)
	for i, limit := range all {
		if i == 0 {
			p.line("")
		}
		text := "Not seen: " + limit.What
		if limit.Why != "" {
			text += " (" + limit.Why + ")"
		}
		if limit.Remedy == "" || i+1 < len(all) && all[i+1].Remedy == limit.Remedy {
			p.paragraph("", sentence(text))
			continue
		}
		p.paragraph("", text+". To see more:")
		p.seeMore(limit.Remedy)
	}
}

// joined makes one limit of neighbours that differ in what they are about only.
func joined(limits []diagnose.Limit) []diagnose.Limit {
	var all []diagnose.Limit
	for _, limit := range limits {
		last := len(all) - 1
		if last >= 0 && all[last].Why == limit.Why && all[last].Remedy == limit.Remedy {
			all[last].What += "; " + limit.What
		} else {
			all = append(all, limit)
		}
	}
	return all
}

// seeMore writes what would lift a limit: a command or words.
func (p *page) seeMore(remedy string) {
	if strings.HasPrefix(remedy, "sudo ") || strings.HasPrefix(remedy, "doas ") {
		p.commands(indent, []string{remedy})
	} else {
		p.paragraph(indent, remedy)
	}
}

// sentence ends a text with a full stop, unless it has an end already.
func sentence(text string) string {
	if text == "" || strings.ContainsRune(".:!?", rune(text[len(text)-1])) {
		return text
	}
	return text + "."
}
