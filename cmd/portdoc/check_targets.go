package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portdoc/netstate"
)

// checkTarget is one target of check, and where it comes from.
type checkTarget struct {
	*subject
	source *source
}

// source tells what a target is for. It is the zero source for one that was
// written on the command line.
type source struct {
	// name is what needs the target: a service, a variable, a process.
	name string
	// file is the name of the file that names it, line its place there,
	// counted from 1; 0 where that is not known.
	file string
	line int
}

// String is what people read: "web (compose.yaml)".
func (s source) String() string {
	if s.name == "" {
		return s.file
	}
	return fmt.Sprintf("%s (%s)", s.name, s.file)
}

// written is a target in words, before it is parsed.
type written struct {
	word   string
	source source
}

// targetList is the targets of one run of check, each with its source.
type targetList struct {
	subjects []subject
	sources  []*source
	// query is what has to be read to answer them.
	query netstate.Query
}

// at is one target of the list.
func (l *targetList) at(i int) checkTarget { return checkTarget{&l.subjects[i], l.sources[i]} }

// checkTargets reads the targets of the command line and of files. A target
// that was named twice for the same purpose is answered once.
func checkTargets(ctx context.Context, c *console, words, files []string) (*targetList, error) {
	var all []written
	for _, word := range words {
		all = append(all, written{word: word})
	}
	for _, file := range files {
		found, err := targetsFrom(ctx, c, file)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil, usageError(errors.New("check needs a target"), checkTargetExamples)
	}
	return parseTargets(ctx, all)
}

const checkTargetExamples = "portdoc check 5188, portdoc check 8000-8010"

// parseTargets parses words, resolves their hosts and takes ranges apart.
func parseTargets(ctx context.Context, all []written) (*targetList, error) {
	list := new(targetList)
	asked := make(map[netstate.Endpoint]bool)
	for i := range all {
		first, last, err := parseRange(ctx, all[i].word)
		if err != nil {
			return nil, all[i].wrong(err)
		}
		e := netstate.Endpoint{Network: first.network, Port: first.port, LastPort: last, Path: first.path}
		if !asked[e] {
			asked[e] = true
			list.query.Endpoints = append(list.query.Endpoints, e)
		}
		list.add(first, last, &all[i].source)
	}
	if len(all) > 1 { // a range names nothing twice
		list.removeRepeated()
	}
	return list, nil
}

// add appends the targets from a first to one with the last port.
func (l *targetList) add(first subject, last uint16, from *source) {
	ports := 1 + max(0, int(last)-int(first.port))
	l.subjects, l.sources = slices.Grow(l.subjects, ports), slices.Grow(l.sources, ports)
	for port := int(first.port); port < int(first.port)+ports; port++ {
		s := first
		s.port = uint16(port)
		if ports > 1 {
			s.word = s.target.String()
		}
		l.subjects, l.sources = append(l.subjects, s), append(l.sources, from)
	}
}

// removeRepeated keeps the first of the targets that are the same, also in what
// they are for.
func (l *targetList) removeRepeated() {
	type identity struct {
		target
		name, file string
	}
	known := make(map[identity]bool, len(l.subjects))
	kept := 0
	for i, s := range l.subjects {
		id := identity{s.target, l.sources[i].name, l.sources[i].file}
		if !known[id] {
			known[id] = true
			l.subjects[kept], l.sources[kept] = s, l.sources[i]
			kept++
		}
	}
	l.subjects, l.sources = l.subjects[:kept], l.sources[:kept]
}

// wrong is the error of a word that is no target. Where the word is from a
// file, it says where.
func (w written) wrong(err error) error {
	if w.source.file != "" {
		return fileLineError(w.source.file, w.source.line, err, "8080, 127.0.0.1:8080, 8000-8010, 53/udp")
	}
	return usageError(err, checkTargetExamples)
}

// fileLineError is a usage error that was found in a file. Line 0 is none.
func fileLineError(file string, line int, err error, examples string) error {
	place := file
	if line > 0 {
		place += ":" + strconv.Itoa(line)
	}
	return usageError(fmt.Errorf("%s: %w", place, err), examples)
}

// parseRange reads a target or a range of ports, whose last port it returns.
func parseRange(ctx context.Context, word string) (first subject, last uint16, err error) {
	single, end, ranged := cutRange(word)
	if !ranged {
		s, err := parseSubject(ctx, word)
		return s, s.port, err
	}
	if first, err = parseSubject(ctx, single); err != nil {
		return first, 0, err
	}
	number, err := parsePort(first.network, end)
	switch {
	case err != nil:
		return first, 0, err
	case first.port == 0:
		return first, 0, fmt.Errorf("%s begins at 0, which means any port: a range begins at 1", quote(word))
	case number < first.port:
		return first, 0, fmt.Errorf("%s ends before it begins: write the lower port first", quote(word))
	}
	return first, number, nil
}

// cutRange parts "127.0.0.1:8000-8010/udp" into "127.0.0.1:8000/udp" and
// "8010". A path, and a name that ends like a range, is none.
func cutRange(word string) (single, end string, ranged bool) {
	if _, isPath := socketPath(word); isPath {
		return word, "", false
	}
	body, network := word, ""
	if before, after, ok := cutLast(word, '/'); ok && after != "" && strings.Trim(after, "tcpudTCPUD") == "" {
		body, network = before, "/"+after
	}
	front, last := cutDigits(body)
	front, hyphen := strings.CutSuffix(front, "-")
	front, first := cutDigits(front)
	if !hyphen || first == "" || last == "" || front != "" && !strings.ContainsAny(front[len(front)-1:], ":/") {
		return word, "", false
	}
	return front + first + network, last, true
}

// cutDigits takes the digits off the end of a text.
func cutDigits(text string) (front, digits string) {
	front = strings.TrimRight(text, "0123456789")
	return front, text[len(front):]
}

// label names the target in a line: "5188/tcp", "127.0.0.1:53/udp".
func (s subject) label() string {
	if s.network == netstate.TCP {
		return s.target.String() + "/tcp"
	}
	return s.target.String()
}
