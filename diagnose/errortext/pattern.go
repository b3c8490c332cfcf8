package errortext

import (
	"regexp"
	"strings"
)

// pattern is a regular expression and literals of which each match has one:
// looking for those first is some fifty times as fast.
type pattern struct {
	expression *regexp.Regexp
	literals   []string
}

func match(expression string, literals ...string) pattern {
	return pattern{regexp.MustCompile(expression), literals}
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
