package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// subject is a target of the command line with its addresses.
type subject struct {
	target
	// word is the target as it was written.
	word string
	// addresses are those of its host, none for both wildcards.
	addresses []netip.Addr
}

// named tells whether the subject's host is a name.
func (s subject) named() bool {
	if s.host == "" {
		return false
	}
	_, err := netip.ParseAddr(s.host)
	return err != nil
}

// parseSubjects reads the targets of a command and resolves their hosts.
func parseSubjects(ctx context.Context, words []string, command string) ([]subject, error) {
	examples := fmt.Sprintf("portdoc %[1]s 5188, portdoc %[1]s 127.0.0.1:8080", command)
	if len(words) == 0 {
		return nil, usageError(fmt.Errorf("%s needs a target", command), examples)
	}
	var subjects []subject
	for _, word := range words {
		s, err := parseSubject(ctx, word)
		if err != nil {
			return nil, usageError(err, examples)
		}
		subjects = append(subjects, s)
	}
	return subjects, nil
}

// parseSubject reads one target.
func parseSubject(ctx context.Context, word string) (subject, error) {
	if word == "-" {
		return subject{}, errors.New("\"-\" reads a log on standard input and goes alone")
	}
	s := subject{word: word}
	var err error
	if s.target, err = parseTarget(word); err != nil {
		return s, err
	}
	if s.network == netstate.Unix {
		s.path, err = absolute(s.path)
		return s, err
	}
	s.addresses, err = resolve(ctx, s.host)
	return s, err
}

// absolute makes a socket's path say where it is on its own, as a snapshot
// has to. Abstract names are not in the file system. A path that begins with a
// slash stays as it is on Windows too: the snapshot may be of another system.
func absolute(path string) (string, error) {
	if path[0] == '@' || path[0] == '/' || filepath.IsAbs(path) {
		return path, nil
	}
	return filepath.Abs(path)
}

// query is what has to be read to answer all subjects.
func query(subjects []subject) netstate.Query {
	var q netstate.Query
	for _, s := range subjects {
		e := netstate.Endpoint{Network: s.network, Port: s.port, LastPort: s.port, Path: s.path}
		if !slices.Contains(q.Endpoints, e) {
			q.Endpoints = append(q.Endpoints, e)
		}
	}
	return q
}

// questions asks about each subject; the options come from form.
func questions(subjects []subject, form diagnose.Question, s *netstate.Snapshot) []diagnose.Question {
	asked := make([]diagnose.Question, 0, len(subjects))
	for _, subject := range subjects {
		q := form
		q.Network, q.Port, q.Path, q.Typed = subject.network, subject.port, subject.path, subject.word
		addresses := reachable(subject.addresses, &s.Policy)
		if len(addresses) > 0 {
			q.Address = addresses[0]
		}
		if subject.named() {
			q.Host, q.Addresses = subject.host, addresses
		}
		asked = append(asked, q)
	}
	return asked
}
