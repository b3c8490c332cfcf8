package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// procfileLine is a process of a Procfile: its type and its command.
var procfileLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(.+)$`) })

// procfilePort is how a command is told its port: by a number, the submatch,
// or by the variable PORT.
var procfilePort = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:\bPORT=|--port[= ]|\s-p[= ]?|(?:--bind|--listen|--addr|--address|\s-[bl])[= ](?:\S*:)?|` +
		`(?:\blocalhost|0\.0\.0\.0|127\.0\.0\.1|\[::1?\]):)["']?(\d+)\b|\$\{?PORT\b`)
})

// Foreman and its likes give each process of a Procfile a port of its own:
// PORT for the first, 100 more for each further one; 5000 without PORT.
const (
	foremanPort = 5000
	foremanStep = 100
)

// procfileTargets reads the ports of a Procfile: those in its commands, and
// those that a process manager gives the processes that use $PORT.
func procfileTargets(name string, text []byte) ([]written, error) {
	var found []written
	base, processes := 0, 0
	err := eachLine(text, func(number int, line string) error {
		match := procfileLine().FindStringSubmatch(line)
		if match == nil {
			return fileLineError(name, number, errors.New("this is no process"), fileExamples["Procfile"])
		}
		if base == 0 {
			var err error
			if base, err = procfileBase(name); err != nil {
				return err
			}
		}
		given := base + foremanStep*processes
		processes++
		port, ok := commandPort(match[2], given)
		if !ok {
			return nil
		}
		if _, err := parseNumber(port); err != nil {
			return fileLineError(name, number, fmt.Errorf("the port is %w", err), fileExamples["Procfile"])
		}
		found = append(found, written{port, source{match[1], name, number}})
		return nil
	})
	return found, err
}

// commandPort is the port that a command names; given is its PORT.
func commandPort(command string, given int) (port string, ok bool) {
	match := procfilePort().FindStringSubmatch(command)
	switch {
	case match == nil:
		return "", false
	case match[1] != "":
		return match[1], true
	}
	return strconv.Itoa(given), true
}

// procfileBase is the PORT of the environment, else of the .env beside the
// Procfile.
func procfileBase(name string) (int, error) {
	port := os.Getenv("PORT")
	beside := filepath.Join(filepath.Dir(name), ".env")
	if text, err := os.ReadFile(beside); port == "" && err == nil {
		err := eachAssignment(beside, text, func(_ int, key, value string) error {
			if key == "PORT" {
				port = value
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	if port == "" {
		return foremanPort, nil
	}
	number, err := parseNumber(strings.TrimSpace(port))
	if err != nil {
		return 0, usageError(fmt.Errorf("PORT is %w", err), "PORT=8080")
	}
	return int(number), nil
}
