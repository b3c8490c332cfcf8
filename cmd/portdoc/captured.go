package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"portdoc/netstate"
)

// captured are the targets that a snapshot was asked about one by one.
func captured(s *netstate.Snapshot) []string {
	var words []string
	for _, e := range s.Query.Endpoints {
		if e.Path != "" || e.LastPort == 0 || e.LastPort == e.Port {
			words = append(words, endpointTarget(e).String())
		}
	}
	return words
}

// covers returns an error that names a subject which the snapshot says nothing
// of, because nobody asked when it was taken.
func covers(s *netstate.Snapshot, subjects []subject, name string) error {
	for _, subject := range subjects {
		if slices.ContainsFunc(s.Query.Endpoints, subject.within) {
			continue
		}
		known := describe(s.Query)
		example := "portdoc capture " + subject.String()
		if words := captured(s); len(words) > 0 {
			example = fmt.Sprintf("portdoc why %s --snapshot %s", words[0], name)
		}
		return usageError(fmt.Errorf("the snapshot %s says nothing of %s, only of %s", quote(name), subject, known), example)
	}
	return nil
}

// within tells whether the endpoint includes the subject.
func (s subject) within(e netstate.Endpoint) bool {
	if s.network != e.Network || s.network == netstate.Unix {
		return s.network == e.Network && s.path == e.Path
	}
	last := cmp.Or(e.LastPort, e.Port)
	return e.Port <= s.port && s.port <= last && (s.port != 0 || last == 0)
}

// endpointTarget is the target that means an endpoint of one port or path.
func endpointTarget(e netstate.Endpoint) target {
	return target{network: e.Network, port: e.Port, path: e.Path}
}

// describe says what a query is about.
func describe(q netstate.Query) string {
	var words []string
	for _, e := range q.Endpoints {
		word := endpointTarget(e).String()
		if e.LastPort > e.Port {
			word = fmt.Sprintf("%d-%d/%s", e.Port, e.LastPort, e.Network)
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}
