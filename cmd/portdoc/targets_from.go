package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxTargetsFile is the number of bytes up to which a file of targets is read.
const maxTargetsFile = 4 << 20

// targetsFrom reads targets from a file, whose name tells what kind it is: a
// compose file, a .env, a Procfile, or else a list. "-" is a list on standard
// input.
func targetsFrom(ctx context.Context, c *console, name string) ([]written, error) {
	text, err := readTargetsFile(c, name)
	if err != nil {
		return nil, err
	}
	var found []written
	switch kind := fileKind(name); kind {
	case "compose":
		found, err = composeTargets(ctx, name, text)
	case "env":
		found, err = envTargets(name, text)
	case "Procfile":
		found, err = procfileTargets(name, text)
	default:
		found, err = listTargets(name, text)
	}
	if err == nil && len(found) == 0 {
		err = fileLineError(name, 0, errors.New("no target is in it"), fileExamples[fileKind(name)])
	}
	return found, err
}

// fileExamples are what a line of each kind of file may be.
var fileExamples = map[string]string{
	"compose":  `ports: ["8080:80"]`,
	"env":      "PORT=8080",
	"Procfile": "web: ./server --port 8080",
	"list":     "8080 web",
}

func fileKind(name string) string {
	base := filepath.Base(name)
	extension := filepath.Ext(base)
	switch {
	case extension == ".yaml" || extension == ".yml":
		return "compose"
	case extension == ".env" || base == ".env" || strings.HasPrefix(base, ".env."):
		return "env"
	case strings.HasPrefix(base, "Procfile"):
		return "Procfile"
	}
	return "list"
}

func readTargetsFile(c *console, name string) ([]byte, error) {
	in := c.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, targetsFileError(name, err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxTargetsFile+1))
	switch {
	case err != nil:
		return nil, targetsFileError(name, err)
	case len(text) > maxTargetsFile:
		return nil, targetsFileError(name, errors.New("it is larger than 4 MiB"))
	}
	return text, nil
}

func targetsFileError(name string, err error) error {
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		err = path.Err
	}
	return usageError(fmt.Errorf("%s can't be read: %w", quote(name), err), "portdoc check --from compose.yaml")
}

// eachLine visits the lines that are neither empty nor comments.
func eachLine(text []byte, visit func(number int, line string) error) error {
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, maxTargetsFile+1)
	for number := 1; scanner.Scan(); number++ {
		line := strings.TrimSpace(strings.TrimPrefix(scanner.Text(), "\ufeff"))
		if line == "" || line[0] == '#' {
			continue
		}
		if err := visit(number, line); err != nil {
			return err
		}
	}
	return nil
}

// listTargets reads a target a line. What follows it, or a comment behind it,
// says what it is for.
func listTargets(name string, text []byte) ([]written, error) {
	shown := name
	if name == "-" {
		shown = "standard input"
	}
	var found []written
	err := eachLine(text, func(number int, line string) error {
		line = strings.ReplaceAll(line, "\t", " ")
		word, rest, _ := strings.Cut(line, " ")
		purpose, comment, _ := strings.Cut(rest, "#")
		purpose = cmp.Or(strings.TrimSpace(purpose), strings.TrimSpace(comment))
		found = append(found, written{word, source{purpose, shown, number}})
		return nil
	})
	return found, err
}

// envTargets reads the ports of a file of environment variables: PORT, and
// those whose name ends with _PORT.
func envTargets(name string, text []byte) ([]written, error) {
	var found []written
	err := eachAssignment(name, text, func(number int, key, value string) error {
		if value == "" || key != "PORT" && !strings.HasSuffix(key, "_PORT") {
			return nil
		}
		if _, err := parseNumber(value); err != nil {
			return fileLineError(name, number, fmt.Errorf("%s is %w", key, err), key+"=8080")
		}
		found = append(found, written{value, source{key, name, number}})
		return nil
	})
	return found, err
}

// eachAssignment visits the variables of a .env file.
func eachAssignment(name string, text []byte, visit func(number int, key, value string) error) error {
	return eachLine(text, func(number int, line string) error {
		key, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" || strings.ContainsAny(key, " \t") {
			return fileLineError(name, number, errors.New("this is no variable"), "PORT=8080")
		}
		return visit(number, key, unquoteValue(strings.TrimSpace(value)))
	})
}

// unquoteValue takes the quotes off a value, or the comment behind a plain
// one.
func unquoteValue(value string) string {
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		if end := strings.IndexByte(value[1:], value[0]); end >= 0 {
			return value[1 : 1+end]
		}
	}
	if i := strings.Index(value, " #"); i >= 0 {
		value = value[:i]
	}
	return strings.TrimSpace(value)
}

// parseNumber reads a port that has to be a number.
func parseNumber(text string) (uint16, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("%s, which is no port: a number from 1 to 65535", quote(text))
	}
	return uint16(port), nil
}
