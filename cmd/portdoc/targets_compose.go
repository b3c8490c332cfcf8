package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// composeTimeout bounds `docker compose config`, which asks no daemon.
const composeTimeout = 10 * time.Second

// composeTargets reads the published ports of a compose file. Docker Compose
// knows best what a file means (extends, include, several profiles); where it
// is not installed or refuses, the file itself is read.
func composeTargets(ctx context.Context, name string, text []byte) ([]written, error) {
	own, ownErr := readCompose(name, text, composeVariables(name))
	config, err := composeConfig(ctx, name)
	if err != nil {
		return own, ownErr
	}
	resolved, err := readCompose(name, config, func(string) (string, bool) { return "", false })
	if err != nil {
		return own, ownErr
	}
	for i := range resolved {
		resolved[i].source.line = lineOf(resolved[i], own)
	}
	return resolved, nil
}

// composeConfig is the file as Docker Compose understands it, in JSON.
func composeConfig(ctx context.Context, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, composeTimeout)
	defer cancel()
	return exec.CommandContext(ctx, "docker", "compose", "-f", name, "config", "--format", "json").Output()
}

// lineOf is the line at which the file itself names a target, 0 if it does
// not.
func lineOf(w written, own []written) int {
	for _, o := range own {
		if o.word == w.word && o.source.name == w.source.name {
			return o.source.line
		}
	}
	return 0
}

// composeFile reads one compose file.
type composeFile struct {
	name   string
	lookUp func(variable string) (string, bool)
	found  []written
}

// readCompose returns the published ports in the order of the file. JSON is
// YAML too.
func readCompose(name string, text []byte, lookUp func(string) (string, bool)) ([]written, error) {
	f := &composeFile{name: name, lookUp: lookUp}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, f.syntaxError(err)
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	services := member(document.Content[0], "services")
	if services == nil || services.Kind != yaml.MappingNode {
		return nil, f.wrong(document.Content[0], errors.New("there are no services"), "services: {web: {ports: [\"8080:80\"]}}")
	}
	for i := 0; i+1 < len(services.Content); i += 2 {
		if err := f.service(services.Content[i].Value, aliased(services.Content[i+1])); err != nil {
			return nil, err
		}
	}
	return f.found, nil
}

// syntaxError is what the YAML library says, at its place in the file.
func (f *composeFile) syntaxError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, message, ok := strings.Cut(rest, ": "); ok {
			line, _ = strconv.Atoi(number)
			text = message
		}
	}
	return fileLineError(f.name, line, errors.New("this is no YAML: "+text), fileExamples["compose"])
}

func (f *composeFile) wrong(node *yaml.Node, err error, example string) error {
	return fileLineError(f.name, node.Line, err, example)
}

// member is the value of a key in a mapping, also of one that is merged in; nil
// if there is none.
func member(mapping *yaml.Node, key string) *yaml.Node {
	if mapping.Kind != yaml.MappingNode {
		return nil
	}
	var merged *yaml.Node
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		switch value := aliased(mapping.Content[i+1]); mapping.Content[i].Value {
		case key:
			return value
		case "<<":
			merged = value
		}
	}
	if merged == nil {
		return nil
	}
	if merged.Kind != yaml.SequenceNode {
		return member(merged, key)
	}
	for _, item := range merged.Content {
		if value := member(aliased(item), key); value != nil {
			return value
		}
	}
	return nil
}

// aliased is the node that an alias stands for.
func aliased(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// service reads the ports of one service. Those of a profile that is not
// active are not published, and with the host's network none is.
func (f *composeFile) service(name string, service *yaml.Node) error {
	if mode := member(service, "network_mode"); mode != nil && mode.Value == "host" || !activeProfile(member(service, "profiles")) {
		return nil
	}
	ports := member(service, "ports")
	if ports == nil || ports.Tag == "!!null" {
		return nil
	}
	if ports.Kind != yaml.SequenceNode {
		return f.wrong(ports, fmt.Errorf("the ports of %s are no list", quote(name)), fileExamples["compose"])
	}
	for _, item := range ports.Content {
		word, err := f.port(aliased(item))
		if err != nil {
			return err
		}
		if word != "" {
			f.found = append(f.found, written{word, source{name, f.name, item.Line}})
		}
	}
	return nil
}

// activeProfile tells whether a service with these profiles is started: one
// without any is.
func activeProfile(profiles *yaml.Node) bool {
	if profiles == nil || len(profiles.Content) == 0 {
		return true
	}
	active := strings.Split(os.Getenv("COMPOSE_PROFILES"), ",")
	return slices.ContainsFunc(profiles.Content, func(p *yaml.Node) bool {
		return slices.Contains(active, p.Value) || slices.Contains(active, "*")
	})
}

// port is the target that a port is published at, "" if Docker chooses one.
func (f *composeFile) port(node *yaml.Node) (string, error) {
	var address, published, protocol string
	switch node.Kind {
	case yaml.ScalarNode:
		text, err := f.interpolate(node)
		if err != nil {
			return "", err
		}
		address, published, protocol = shortPort(text)
	case yaml.MappingNode:
		for key, value := range map[string]*string{"host_ip": &address, "published": &published, "protocol": &protocol} {
			part := member(node, key)
			if part == nil {
				continue
			}
			var err error
			if *value, err = f.interpolate(part); err != nil {
				return "", err
			}
		}
	default:
		return "", f.wrong(node, errors.New("this is no port"), fileExamples["compose"])
	}
	if published == "" || protocol != "" && protocol != "tcp" && protocol != "udp" {
		return "", nil
	}
	first, last, ranged := strings.Cut(published, "-")
	for _, number := range []string{first, last} {
		if _, err := parseNumber(number); err != nil && (ranged || number != "") {
			return "", f.wrong(node, fmt.Errorf("it publishes %w", err), `"8080:80"`)
		}
	}
	return publishedTarget(address, published, protocol), nil
}

// publishedTarget is a published port in the words of a target.
func publishedTarget(address, published, protocol string) string {
	if address != "" {
		published = net.JoinHostPort(strings.Trim(address, "[]"), published)
	}
	if protocol == "udp" {
		published += "/udp"
	}
	return published
}

// shortPort parts [[ADDRESS:]PUBLISHED:]CONTAINER[/PROTOCOL].
func shortPort(text string) (address, published, protocol string) {
	text, protocol, _ = strings.Cut(text, "/")
	host, _, ok := cutLast(text, ':')
	if !ok {
		return "", "", protocol
	}
	if before, after, ok := cutLast(host, ':'); ok {
		return before, after, protocol
	}
	return "", host, protocol
}

// composeVariables are those of the environment, then those of the .env beside
// the file.
func composeVariables(name string) func(string) (string, bool) {
	beside := make(map[string]string)
	file := filepath.Join(filepath.Dir(name), ".env")
	if text, err := os.ReadFile(file); err == nil {
		// A file that is none of variables has none.
		_ = eachAssignment(file, text, func(_ int, key, value string) error {
			beside[key] = value
			return nil
		})
	}
	return func(variable string) (string, bool) {
		if value, ok := os.LookupEnv(variable); ok {
			return value, true
		}
		value, ok := beside[variable]
		return value, ok
	}
}

// interpolate fills in the variables of a value: $NAME, ${NAME},
// ${NAME:-default}, ${NAME-default}, ${NAME:+other}, ${NAME+other},
// ${NAME:?message}; "$$" is a dollar sign.
func (f *composeFile) interpolate(node *yaml.Node) (string, error) {
	var out strings.Builder
	rest := node.Value
	for {
		before, after, ok := strings.Cut(rest, "$")
		out.WriteString(before)
		switch {
		case !ok:
			return out.String(), nil
		case strings.HasPrefix(after, "$"):
			out.WriteByte('$')
			rest = after[1:]
			continue
		}
		name, operator, word, tail, ok := cutVariable(after)
		if !ok {
			return "", f.wrong(node, fmt.Errorf("%s has a variable that does not end", quote(node.Value)), "${PORT:-8080}:80")
		}
		value, ok := f.expand(name, operator, word)
		if !ok {
			return "", f.wrong(node, fmt.Errorf("the variable %s is not set", quote(name)), fmt.Sprintf("${%s:-8080}", name))
		}
		out.WriteString(value)
		rest = tail
	}
}

// cutVariable takes the variable off a text that begins behind its dollar
// sign.
func cutVariable(text string) (name, operator, word, tail string, ok bool) {
	inside, braced := strings.CutPrefix(text, "{")
	ok = true
	if braced {
		inside, tail, ok = strings.Cut(inside, "}")
	}
	end := strings.IndexFunc(inside, func(r rune) bool { return !isLetter(r) && r != '_' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(inside)
	}
	name, word = inside[:end], inside[end:]
	if !braced {
		return name, "", "", word, name != ""
	}
	for _, operator := range []string{":-", ":+", ":?", "-", "+", "?"} {
		if word, found := strings.CutPrefix(word, operator); found {
			return name, operator, word, tail, ok && name != ""
		}
	}
	return name, "", "", tail, ok && name != "" && word == ""
}

// expand is the value of a variable. It returns false for one that has to be
// set and is not.
func (f *composeFile) expand(name, operator, word string) (string, bool) {
	value, set := f.lookUp(name)
	if strings.HasPrefix(operator, ":") && value == "" {
		set = false
	}
	switch strings.TrimPrefix(operator, ":") {
	case "-":
		if !set {
			return word, true
		}
	case "+":
		if !set {
			return "", true
		}
		return word, true
	}
	return value, set
}
