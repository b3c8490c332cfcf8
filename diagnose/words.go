package diagnose

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// span says how long something takes or took: "46 seconds", "3 days". It
// rounds up, so that a wait of that long is enough.
func span(d time.Duration) string {
	n, unit := spanOf(d)
	return count(n, unit)
}

// spanMore is span for a time still to come: "46 more seconds".
func spanMore(d time.Duration) string {
	n, unit := spanOf(d)
	return fmt.Sprintf("%d more %s", n, pick(n, unit, plural(unit)))
}

func spanOf(d time.Duration) (int, string) {
	switch {
	case d < 2*time.Minute:
		return ceil(d, time.Second), "second"
	case d < 2*time.Hour:
		return ceil(d, time.Minute), "minute"
	case d < 48*time.Hour:
		return ceil(d, time.Hour), "hour"
	}
	return ceil(d, 24*time.Hour), "day"
}

func ceil(d, unit time.Duration) int { return int((d + unit - 1) / unit) }

// count says a number of things: "1 connection", "2 processes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + plural(noun)
}

// aCount is count in running text, where one is "a".
func aCount(n int, noun string) string {
	switch {
	case n != 1:
		return count(n, noun)
	case strings.ContainsRune("aeiou", rune(noun[0])):
		return "an " + noun
	}
	return "a " + noun
}

func plural(noun string) string {
	if strings.HasSuffix(noun, "s") {
		return noun + "es"
	}
	return noun + "s"
}

// list says several things: "a, b and c".
func list(items []string) string {
	if len(items) <= 1 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " and " + items[last]
}

// few is list for at most four items; what is more is counted.
func few(items []string) string {
	const most = 4
	if len(items) <= most {
		return list(items)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:most-1], ", "), len(items)-most+1)
}

// capital begins a title with a capital letter.
func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// pick is one of two words, by number.
func pick(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// sentences joins those that are not empty.
func sentences(parts ...string) string {
	var kept []string
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, " ")
}
