package main

import (
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// The colours are codes of ECMA-48 (SGR), understood by every terminal.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint gives text a colour. The width of a painted text is that of the text,
// so it is done after all padding.
func paint(text, color string) string { return "\x1b[" + color + "m" + text + "\x1b[0m" }

// displayWidth is the number of columns that text takes on a terminal. Printable
// ASCII, a byte a column, is not worth the tables of all other characters.
func displayWidth(text string) int {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return twwidth.Width(text)
		}
	}
	return len(text)
}

// wrap breaks text into lines of at most width columns. A word that is longer
// has a line to itself.
func wrap(text string, width int) []string { return fill(strings.Fields(text), width) }

// fill joins words with spaces to lines of at most width columns.
func fill(words []string, width int) []string {
	var lines []string
	line := ""
	for _, word := range words {
		switch {
		case line == "":
			line = word
		case displayWidth(line)+1+displayWidth(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// shorten makes text at most width columns wide by leaving out its middle.
func shorten(text string, width int) string {
	if displayWidth(text) <= width {
		return text
	}
	runes := []rune(text)
	room := max(0, width-1)
	head := fitting(runes, (room+1)/2)
	slices.Reverse(runes)
	tail := fitting(runes, room/2)
	slices.Reverse(runes)
	return string(runes[:head]) + "…" + string(runes[len(runes)-tail:])
}

// fitting is how many of the first runes fit into width columns.
func fitting(runes []rune, width int) int {
	for i, r := range runes {
		if width -= displayWidth(string(r)); width < 0 {
			return i
		}
	}
	return len(runes)
}
