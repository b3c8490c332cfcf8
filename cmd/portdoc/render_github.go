package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"portdoc/diagnose"
)

// maxSummaryRows bounds the table of a job summary, which can have 1 MiB.
const maxSummaryRows = 200

// writeGitHub writes the lines of the text format, an annotation for each
// target that is not free and for each warning, and where GITHUB_STEP_SUMMARY
// names a file a table into that.
//
// The commands of a workflow are lines that begin with "::"; the properties
// are escaped like the message, and their separators too
// (docs.github.com, "Workflow commands").
func writeGitHub(c *console, results []checked, _ time.Duration) error {
	var text strings.Builder
	text.WriteString(inert(lines(results, false)))
	for _, r := range results {
		if r.status != exitFree {
			text.WriteString(r.annotation("error", fmt.Sprintf("%s is %s", r.label(), r.verdict), r.complaint()+"\n"+r.advice()))
		}
		for _, warning := range r.warnings {
			text.WriteString(r.annotation("warning", r.label(), diagnose.Printable(r.label()+": "+warning)))
		}
	}
	if _, err := c.out.Write([]byte(text.String())); err != nil {
		return err
	}
	if name := os.Getenv("GITHUB_STEP_SUMMARY"); name != "" {
		return appendSummary(name, jobSummary(results))
	}
	return nil
}

// complaint says in a sentence what is wrong with a target.
func (r checked) complaint() string {
	text := fmt.Sprintf("%s is %s", r.label(), r.verdict)
	if behind := r.behind(); behind != "" {
		text += ": " + behind
	}
	return diagnose.Printable(text)
}

// annotation is a workflow command that marks the line of the file which the
// target comes from. The message is made of lines that can be printed.
func (r checked) annotation(kind, title, message string) string {
	properties := "title=" + githubProperty(title)
	if r.source.line > 0 {
		properties = fmt.Sprintf("file=%s,line=%d,%s", githubProperty(r.source.file), r.source.line, properties)
	}
	return inert(fmt.Sprintf("::%s %s::%s\n", kind, properties, githubDataEscapes.Replace(strings.TrimSpace(message))))
}

var (
	githubDataEscapes     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubPropertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func githubProperty(text string) string {
	return githubPropertyEscapes.Replace(diagnose.Printable(text))
}

// inert breaks the older form of workflow commands, "##[name]", which a runner
// finds anywhere in a line: the name of a process may be one.
func inert(text string) string { return strings.ReplaceAll(text, "##[", "## [") }

// appendSummary appends to the file that the runner shows on the job's page.
func appendSummary(name, text string) error {
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err == nil {
		_, err = file.WriteString(text)
		if closed := file.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		return fmt.Errorf("the job summary could not be written (GITHUB_STEP_SUMMARY): %w", err)
	}
	return nil
}

// jobSummary is a table in Markdown: first what is not free.
func jobSummary(results []checked) string {
	var rows []string
	for _, wanted := range []bool{false, true} {
		for _, r := range results {
			if (r.status == exitFree) == wanted {
				rows = append(rows, r.markdownRow())
			}
		}
	}
	var text strings.Builder
	text.WriteString("### portdoc check\n\n| target | verdict | for | reason |\n| --- | --- | --- | --- |\n")
	for _, row := range rows[:min(len(rows), maxSummaryRows)] {
		text.WriteString(row)
	}
	if more := len(rows) - maxSummaryRows; more > 0 {
		fmt.Fprintf(&text, "\nAnd %d more targets.\n", more)
	}
	text.WriteString("\n")
	return text.String()
}

func (r checked) markdownRow() string {
	reasons := r.warnings
	if r.reason != "" {
		reasons = append([]string{r.reason}, reasons...)
	}
	return fmt.Sprintf("| %s | %s | %s | %s |\n", markdown(r.label()), markdown(r.verdict),
		markdown(r.source.String()), markdown(strings.Join(reasons, "; ")))
}

// markdown escapes what GitHub's Markdown would take for markup.
func markdown(text string) string {
	var escaped strings.Builder
	for _, r := range diagnose.Printable(text) {
		switch {
		case r == '<':
			escaped.WriteString("&lt;")
			continue
		case r == '&':
			escaped.WriteString("&amp;")
			continue
		case strings.ContainsRune("\\`*_{}[]#|~!$@", r):
			escaped.WriteByte('\\')
		}
		escaped.WriteRune(r)
	}
	return escaped.String()
}
