package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"portdoc/diagnose"
)

// reasonOf says in a few words why a target is not free: who or what has it.
// It is "" for a free one.
func reasonOf(report *diagnose.Report, target *subject) string {
	switch report.Verdict {
	case diagnose.Free:
		return ""
	case diagnose.Unknown:
		return unknownReason(report)
	}
	if waited, ok := countdown(report); ok && report.Causes[0].ID == "time-wait" {
		reason := fmt.Sprintf("TIME_WAIT for %d s", int(math.Ceil(waited.Seconds())))
		if report.Verdict == diagnose.Conditional {
			reason += "; a server with SO_REUSEADDR can start"
		}
		return reason
	}
	return withoutLabel(report.Summary, target.label())
}

// withoutLabel leaves the target out of a summary, which stands beside it.
func withoutLabel(summary, label string) string {
	rest, ok := strings.CutPrefix(summary, diagnose.Printable(label)+" ")
	if !ok {
		return summary
	}
	for _, verb := range []string{"is taken: ", "can't be bound: ", "is a ", "is "} {
		if reason, ok := strings.CutPrefix(rest, verb); ok {
			return reason
		}
	}
	return rest
}

// unknownReason says what would have to be seen.
func unknownReason(report *diagnose.Report) string {
	if len(report.Limits) == 0 {
		return "it can't be told from here"
	}
	l := report.Limits[0]
	return l.What + ": " + l.Why
}

// countdown is when the first cause of a report ends by itself, as far as all
// of its causes do.
func countdown(report *diagnose.Report) (time.Duration, bool) {
	var longest float64
	for _, cause := range report.Causes {
		if cause.ClearsInSeconds == nil {
			return 0, false
		}
		longest = max(longest, *cause.ClearsInSeconds)
	}
	return time.Duration(longest * float64(time.Second)), len(report.Causes) > 0
}

// writeLines writes a line for each target, and the warnings to standard
// error.
func writeLines(c *console, results []checked, _ time.Duration) error {
	_, err := c.out.Write([]byte(lines(results, c.color)))
	writeWarnings(c, results)
	return err
}

// lines has a line for each target: its name, the verdict, what is behind it.
func lines(results []checked, color bool) string {
	labels := make([]string, len(results))
	widest, verdicts := 0, 0
	for i := range results {
		labels[i] = diagnose.Printable(results[i].label())
		widest = max(widest, displayWidth(labels[i]))
		verdicts = max(verdicts, len(results[i].verdict))
	}
	var text strings.Builder
	text.Grow(len(results) * (widest + verdicts + len("  \n")))
	for i := range results {
		text.WriteString(padded(labels[i], widest))
		text.WriteString("  ")
		text.WriteString(results[i].answer(verdicts, color))
		text.WriteByte('\n')
	}
	return text.String()
}

// padded is text with spaces up to a width.
func padded(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-displayWidth(text)))
}

// answer is the verdict, and at a distance what is behind it.
func (r *checked) answer(width int, color bool) string {
	verdict, behind := r.verdict, diagnose.Printable(r.behind())
	if behind != "" {
		behind = strings.Repeat(" ", width-len(verdict)) + "  " + behind
	}
	if color {
		verdict = paint(verdict, r.color())
	}
	return verdict + behind
}

// behind is what the target is for and why it is not free.
func (r *checked) behind() string {
	origin := r.source.String()
	if origin != "" && r.reason != "" {
		return origin + ": " + r.reason
	}
	return origin + r.reason
}

func (r *checked) color() string {
	switch r.status {
	case exitFree:
		return green
	case exitBlocked:
		if r.verdict != string(diagnose.Conditional) {
			return red
		}
	}
	return yellow
}

// writeWarnings writes each warning once, with the targets that it is about.
func writeWarnings(c *console, results []checked) {
	var order []string
	about := make(map[string][]string)
	for _, r := range results {
		for _, warning := range r.warnings {
			if about[warning] == nil {
				order = append(order, warning)
			}
			about[warning] = append(about[warning], r.label())
		}
	}
	for _, warning := range order {
		fmt.Fprintf(c.errors, "warning: %s: %s\n", diagnose.Printable(several(about[warning])), diagnose.Printable(warning))
	}
}

// several names a few targets, and counts the rest.
func several(labels []string) string {
	const most = 3
	if len(labels) <= most {
		return strings.Join(labels, ", ")
	}
	return fmt.Sprintf("%s, %s and %d more", labels[0], labels[1], len(labels)-2)
}
