package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"portdoc/diagnose"
)

// writeTAP writes the answers as the Test Anything Protocol, version 14
// (testanything.org/tap-version-14-specification.html), a test for each
// target. What is behind an answer is in its YAML diagnostic.
func writeTAP(c *console, results []checked, _ time.Duration) error {
	var text strings.Builder
	fmt.Fprintf(&text, "TAP version 14\n1..%d\n", len(results))
	for i, r := range results {
		result := "ok"
		if r.status != exitFree {
			result = "not ok"
		}
		fmt.Fprintf(&text, "%s %d - %s\n", result, i+1, tapDescription(r.label()))
		text.WriteString(r.diagnostic())
	}
	_, err := c.out.Write([]byte(text.String()))
	return err
}

// diagnostic is a YAML block, "" for a target of which nothing is to be said.
func (r checked) diagnostic() string {
	if r.status == exitFree && len(r.warnings) == 0 && *r.source == (source{}) {
		return ""
	}
	var block strings.Builder
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&block, "  %s: %s\n", name, yamlString(value))
		}
	}
	block.WriteString("  ---\n")
	field("verdict", r.verdict)
	field("message", r.reason)
	field("for", r.source.String())
	if r.source.line > 0 {
		fmt.Fprintf(&block, "  at:\n    file: %s\n    line: %d\n", yamlString(r.source.file), r.source.line)
	}
	r.list(&block, "causes", r.causes())
	r.list(&block, "warnings", r.warnings)
	block.WriteString("  ...\n")
	return block.String()
}

func (r checked) list(block *strings.Builder, name string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(block, "  %s:\n", name)
	for _, item := range items {
		fmt.Fprintf(block, "    - %s\n", yamlString(item))
	}
}

// causes are the ids of the causes of a target that is not free.
func (r checked) causes() []string {
	var ids []string
	for _, cause := range r.report.Causes {
		ids = append(ids, string(cause.ID))
	}
	return ids
}

// yamlString is a text in YAML's double quotes, for which JSON's are a special
// case once the text has no control characters (YAML 1.2, section 1.3).
func yamlString(text string) string {
	var quoted strings.Builder
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(diagnose.Printable(text)) != nil {
		return `""` // not reached: a string can be encoded
	}
	return strings.TrimSpace(quoted.String())
}

// tapDescription escapes what would begin a directive.
func tapDescription(text string) string {
	return strings.NewReplacer(`\`, `\\`, "#", `\#`).Replace(diagnose.Printable(text))
}
