package errortext

import (
	"regexp"
	"strings"
	"sync"
)

// expression is a regular expression that is compiled when it is first used:
// all of them together take two milliseconds, which a program that reads no
// log need not spend. Nor does it run code for them when it starts: expressed
// leaves them to the linker.
type expression struct {
	text     string
	once     sync.Once
	compiled *regexp.Regexp
}

func expressed(text string) *expression { return &expression{text: text} }

func (e *expression) regexp() *regexp.Regexp {
	e.once.Do(func() { e.compiled = regexp.MustCompile(e.text) })
	return e.compiled
}

// MatchString and the others are those of [regexp.Regexp].
func (e *expression) MatchString(s string) bool { return e.regexp().MatchString(s) }

func (e *expression) FindStringIndex(s string) []int { return e.regexp().FindStringIndex(s) }

func (e *expression) FindStringSubmatch(s string) []string { return e.regexp().FindStringSubmatch(s) }

func (e *expression) FindStringSubmatchIndex(s string) []int {
	return e.regexp().FindStringSubmatchIndex(s)
}

func (e *expression) FindAllStringIndex(s string, n int) [][]int {
	return e.regexp().FindAllStringIndex(s, n)
}

func (e *expression) FindAllStringSubmatchIndex(s string, n int) [][]int {
	return e.regexp().FindAllStringSubmatchIndex(s, n)
}

// pattern is a regular expression and literals of which each match has one:
// looking for those first is some fifty times as fast.
type pattern struct {
	expression *expression
	literals   []string
}

func match(text string, literals ...string) pattern {
	return pattern{expressed(text), literals}
}

func (p pattern) in(low string) bool { return p.find(low) != nil }

// find is where the first match begins and ends, nil if there is none.
func (p pattern) find(low string) []int {
	if !hasAny(low, p.literals) {
		return nil
	}
	return p.expression.FindStringIndex(low)
}

// all is where matches begin and end, of no more than eight.
func (p pattern) all(low string) [][]int {
	if !hasAny(low, p.literals) {
		return nil
	}
	return p.expression.FindAllStringIndex(low, 8)
}

// submatches is like all, with the places of the groups and without a limit.
func (p pattern) submatches(low string) [][]int {
	if !hasAny(low, p.literals) {
		return nil
	}
	return p.expression.FindAllStringSubmatchIndex(low, -1)
}

func hasAny(s string, words []string) bool {
	for _, word := range words {
		if strings.Contains(s, word) {
			return true
		}
	}
	return false
}
