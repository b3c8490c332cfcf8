package main

import (
	"errors"
	"fmt"
	"time"

	"portdoc/diagnose"
)

// resultWriter writes the answers of check in one of its formats. The duration
// is how long the check took.
type resultWriter func(c *console, results []checked, took time.Duration) error

// writer is the one that was asked for.
func (o *checkOptions) writer() (resultWriter, error) {
	if o.json && o.format != formatText && o.format != "json" {
		return nil, usageError(fmt.Errorf("--json and --format %s exclude each other", o.format), "portdoc check 8080 --json")
	}
	if o.json {
		return writeObjects, nil
	}
	switch o.format {
	case formatText:
		return writeLines, nil
	case "json":
		return writeObjects, nil
	case "github":
		return writeGitHub, nil
	case "junit":
		return writeJUnit, nil
	case "tap":
		return writeTAP, nil
	}
	return nil, usageError(errors.New(quote(o.format)+" is no format: text, json, github, junit or tap"),
		"portdoc check 8080 --format junit")
}

// formatText is the format of people, a line for each target.
const formatText = "text"

// reportForCheck is a report with what check adds to it.
type reportForCheck struct {
	diagnose.Report
	// For is what the target is for, "" for one of the command line.
	For string `json:"for,omitempty"`
	// Open tells whether something listens, nil where that was not asked.
	Open *bool `json:"open,omitempty"`
}

// writeObjects writes one JSON object for each target.
func writeObjects(c *console, results []checked, _ time.Duration) error {
	for _, r := range results {
		whole := reportForCheck{Report: *r.report, For: r.source.String(), Open: r.open}
		whole.Warnings = r.warnings
		if err := writeJSON(c.out, &whole, c.terminal); err != nil {
			return err
		}
	}
	return nil
}
