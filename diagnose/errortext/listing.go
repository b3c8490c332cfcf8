package errortext

import (
	"strings"
	"unicode"
)

// Text that speaks of failures and tells of none: sources, comments,
// documentation, advice.
var (
	// A line of a program's source, as runtimes quote it.
	sourceCode = expressed(`===? ?['"]|\bconsole\.\w+\(|\bif \(|\bcatch\b ?\(|process\.exit\(|println!?\(|\braise \w+\(|\bthrow new\b`)
	// A statement that compares, throws or prints, has a format
	// that is not filled in, or ends as statements do.
	statement = expressed(`^[\s|>}+-]*(?:\d+ *[|:]? +)?(?:` +
		`(?:else )?(?:if|elif|elsif|unless|while|switch|catch) ?\(|(?:if|elif|case|when|except|rescue) .*(?:[:{]|->|=>)$|` +
		`(?:return|throw|raise|throw new) [\w.:]+\(|` +
		`(?:\w+(?:\.|::|->))?(?:e?print\w*!?|[fs]printf|puts|echo|log|die|panic!?|assert\w*!?|expect|alert|write\w*)\s*\(\s*[fbru$@]?["'\x60]|` +
		`\w+(?:\.|::|->)(?:log|trace|debug|info|warn\w*|error\w*|fatal\w*|panic\w*)\s*\(\s*[fbru$@]?["'\x60])|` +
		`%[sdvu]\b[^"]*",|\{\}[^"]*",|` +
		`["'\x60]\)*;(?:\s*(?://|/\*|break;).*)?$|=> .*["'\x60]\),?$|/\*.*\*/\s*$`)
	// Comments of a source: those that no output begins with, and others.
	comment = expressed(`^\s*(?://+|/\*|<!--)\s`)
	hash    = expressed(`^\s*#+\s`)
	// Documentation, which says when an error occurs.
	whenever = expressed(`\b(?:occurs?|happens?|appears?|arises?|thrown|raised|returned) when\b|\bit is (?:not possible|impossible) to (?:bind|listen)\b|\bhow to (?:handle|fix|solve|resolve|avoid)\b|\bsteht für\b|表示`)
	// A line of a page on the web.
	markup = expressed(`</\w+>|<(?:code|span|td|li|p|em|pre)\b`)
	// An entry in a list of changes, and what a change of a program is called
	// (conventionalcommits.org).
	change = expressed(`^\W*(?:(?:closes|refs?|issue)? ?#\d+:? +)?(?:[\w./-]+: +)?(?:add(?:s|ed)?|fix(?:e[sd])?|squelch|suppress|treat|catch|detect|recogni[sz]e|translate|support|return|document(?:s|ed)?|handles?d?|improved?|avoid|ignore|squash|allow|prevent|don't|do not) |` +
		`^\W*(?:[0-9a-f]{7,40} )?(?:fix|feat|chore|refactor|perf|revert)(?:\([^)]*\))?!?: `)
	// An entry in a list of troubles.
	trouble = expressed(`^\W*(?:symptoms?|fix|solution|workaround|remedy|tip|troubleshooting)\W*:`)
	// It asks or advises and does not state: a hint, a help text.
	onlyAdvice = expressed(`^\W*(?:hint:|identify and stop|is another|do you already|make sure|check (?:that|if|whether)|ensure|see |usage)|\bif (?:the |that |this )?(?:port|address)|\bhint: |возможно|\bor configure this application|\bthe process (?:listening|running) on\b|\bto listen on another port`)
	// The end of a sentence that supposes what it says.
	supposed = expressed(`\b(?:if|unless|whenever|in case|when (?:the|that|this)) (?:[^,.;:!?]|[,.;:!?]\S){0,60}$`)
)

// isListing tells that what a line says of a failure at index at is a program's
// source or documentation that names nothing that could be bound. A program may
// mark its output with # too: then it names a call or the reason follows a colon.
func isListing(l *line, m *mention, at int) bool {
	if statement.MatchString(l.low) {
		return true
	}
	if !m.empty() {
		return false
	}
	if comment.MatchString(l.low) || whenever.MatchString(l.low) || change.MatchString(l.low) || markup.MatchString(l.low) || isInlineCode(l.low, at) {
		return true
	}
	return m.op == "" && (trouble.MatchString(l.low) || hash.MatchString(l.low) && !strings.HasSuffix(l.low[:at], ": "))
}

// quotation is a name in quotation marks as Ruby and others write them: `name'.
var quotation = expressed("^`[\\w<> ?!=]+'")

// isInlineCode tells that index at is between backquotes that are not around
// the whole line.
func isInlineCode(low string, at int) bool {
	before := strings.LastIndexByte(low[:at], '`')
	for before >= 0 && quotation.MatchString(low[before:at]) {
		before = strings.LastIndexByte(low[:before], '`')
	}
	after := strings.IndexByte(low[at:], '`')
	return before >= 0 && after >= 0 && strings.ContainsFunc(low[:before]+low[at+after:], unicode.IsLetter)
}
