package main

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"portdoc/diagnose"
)

// The elements of a JUnit report, as the schema of the Ant task has them
// (JUnit.xsd of windyroad/JUnit-Schema), which the readers of CI systems accept
// too. Its order is that of the fields, and all of them are required there but
// failure and error.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Package    string          `xml:"package,attr"`
		ID         int             `xml:"id,attr"`
		Name       string          `xml:"name,attr"`
		Timestamp  string          `xml:"timestamp,attr"` // without a time zone
		Hostname   string          `xml:"hostname,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Time       string          `xml:"time,attr"` // seconds
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
		SystemOut  string          `xml:"system-out"`
		SystemErr  string          `xml:"system-err"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		Classname string        `xml:"classname,attr"`
		Time      string        `xml:"time,attr"`
		Failure   *junitProblem `xml:"failure"`
		Error     *junitProblem `xml:"error"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes a suite with a case for each target: a failure for one
// that is not free, an error where that can't be told. Warnings are properties
// of the suite.
func writeJUnit(c *console, results []checked, took time.Duration) error {
	suite := junitSuite{
		Package:   "portdoc",
		Name:      "portdoc check",
		Timestamp: time.Now().UTC().Format("2006-01-02T15:04:05"),
		Hostname:  "localhost",
		Tests:     len(results),
		Time:      fmt.Sprintf("%.3f", took.Seconds()),
	}
	suite.Properties = append(suite.Properties, junitProperty{"portdoc.version", version()})
	for i, r := range results {
		if i == 0 {
			suite.Timestamp = r.report.Taken.UTC().Format("2006-01-02T15:04:05")
		}
		suite.add(r)
	}
	if _, err := c.out.Write([]byte(xml.Header)); err != nil {
		return err
	}
	encoder := xml.NewEncoder(c.out)
	encoder.Indent("", "  ")
	if err := encoder.Encode(junitSuites{Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	_, err := c.out.Write([]byte("\n"))
	return err
}

// add adds the case of one target.
func (s *junitSuite) add(r checked) {
	test := junitCase{Name: diagnose.Printable(r.label()), Classname: "portdoc.check", Time: "0"}
	if origin := r.source.String(); origin != "" {
		test.Classname = diagnose.Printable(origin)
	}
	if r.status != exitFree {
		problem := &junitProblem{r.complaint(), r.verdict, r.advice()}
		if r.status == exitUnknown {
			test.Error = problem
			s.Errors++
		} else {
			test.Failure = problem
			s.Failures++
		}
	}
	for _, warning := range r.warnings {
		s.Properties = append(s.Properties, junitProperty{"warning", diagnose.Printable(r.label() + ": " + warning)})
	}
	s.Cases = append(s.Cases, test)
}

// advice is what to do, a line for each remedy and for each of its commands.
func (r checked) advice() string {
	var text strings.Builder
	for _, remedy := range r.report.Remedies {
		text.WriteString(diagnose.Printable(remedy.Title) + "\n")
		for _, command := range remedy.Commands {
			text.WriteString("  " + diagnose.Printable(command) + "\n")
		}
	}
	return text.String()
}
