package errortext

import (
	"regexp"
	"strings"
	"sync"
)

// expression is a regular expression that is compiled when it is first used:
// all of them together take two milliseconds, which a program that reads no
// log need not spend.
type expression func() *regexp.Regexp

func expressed(text string) expression {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

func (e expression) MatchString(s string) bool { return e().MatchString(s) }

func (e expression) FindStringIndex(s string) []int { return e().FindStringIndex(s) }

func (e expression) FindStringSubmatch(s string) []string { return e().FindStringSubmatch(s) }

func (e expression) FindStringSubmatchIndex(s string) []int { return e().FindStringSubmatchIndex(s) }

func (e expression) FindAllStringIndex(s string, n int) [][]int { return e().FindAllStringIndex(s, n) }

func (e expression) FindAllStringSubmatchIndex(s string, n int) [][]int {
	return e().FindAllStringSubmatchIndex(s, n)
}

// pattern is a regular expression and literals of which each match has one:
// looking for those first is some fifty times as fast.
type pattern struct {
	expression expression
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
