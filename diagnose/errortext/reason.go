package errortext

import "strings"

// line is a line of the input, or a part of a very long one.
type line struct {
	number int
	text   string // clean
	low    string // for matching: lower case, escaped quotes blanked; as long as text
	plain  int    // how many lines that are no part of a stack trace came before
}

func newLine(number, plain int, raw []byte) *line {
	text := strings.ReplaceAll(clean(raw), `\'`, "'") // as Rust quotes it
	return &line{number: number, text: text, low: unescape(lower(text)), plain: plain}
}

// reason is why something failed, as far as a line says.
type reason struct {
	kind Kind // "" if none is stated
	at   int  // where in the line it begins and ends
	end  int
	// weak reasons are those that files and connects have too: they count
	// only beside a word for bind or listen.
	weak bool
}

var (
	// An errno by its number: in Linux, BSD and macOS, Windows, libuv.
	numberPattern = expressed(`(errno|os error|error number|err\w*|code|exception|failed|rc|bind|:)["']?[\s:=#(\[,-]{1,5}(10048|10013|10049|409[012]|98|99|48|49|13)["']?([^\w.]|$)|[(\[](10048|10013|10049|98|99|48|49|13)(?:[)\]:]|$)`)
	strongNumber  = expressed(`^(errno|os error|error number)$`)
	// "address … is already in use", with or without the address.
	addressUsed = expressed(`\baddress\b[ :]*(?:\S*[:.\]]\S* )?\(?(?:is |was )?(?:already |currently )?(?:in use|used|bound)\b`)
	// What else than a socket's address may be in use.
	otherAddress = expressed(`(?:mail|\bmac|\bip|\bemail|\bwallet|\bstreet|\bthis|\bten|\bden|\bthat|\bmemory|\bbtc|\bdevice|\bsubnet|\bnetwork|\bweb|\busb|\bphysical|\bcette|\besta|\bquesto|\bdiese|この|その|该|此|邮箱|メール)[ -]?(?:die |l')?[^\x00-\x7f]?$`)
)

// otherUser is who uses an address that is none of a socket.
var otherUser = expressed(`^ by (?:an?other |a |the )?(?:account|user|customer|member|contact|host|client|device|container|replication|someone|somebody)\b`)

// numberKind is the kind of an errno of Linux, macOS and the BSDs, Windows or
// libuv; "" for another.
func numberKind(number string) Kind {
	switch number {
	case "98", "48", "10048", "4091":
		return AddrInUse
	case "99", "49", "10049", "4090":
		return AddrNotAvail
	case "13", "10013", "4092":
		return Acces
	}
	return ""
}

// reasonIn is the first reason that low, a part of a line, states.
func reasonIn(low string) reason {
	best := reason{at: len(low)}
	keep := func(r reason) {
		if r.kind != "" && (r.at < best.at || best.weak && !r.weak) {
			best = r
		}
	}
	keep(nameIn(low, inUseNames, AddrInUse, false))
	keep(nameIn(low, notAvailNames, AddrNotAvail, false))
	keep(nameIn(low, accesNames, Acces, true))
	keep(sentenceIn(low, inUseSentences, AddrInUse, false))
	keep(sentenceIn(low, notAvailSentences, AddrNotAvail, false))
	keep(sentenceIn(low, absentSentences, AddrNotAvail, true))
	keep(sentenceIn(low, accesSentences, Acces, false))
	keep(sentenceIn(low, deniedSentences, Acces, true))
	keep(addressUsedIn(low))
	if best.kind == "" {
		keep(numberIn(low))
		keep(cutIn(low, inUseSentences, AddrInUse))
		keep(cutIn(low, accesSentences, Acces))
	}
	return best
}

// cutIn finds a sentence that a terminal's width cut at the end of the line.
func cutIn(low string, sentences []string, kind Kind) reason {
	const enough = 12 // bytes
	low = strings.TrimRight(low, " ")
	if len(low) < enough {
		return reason{}
	}
	for _, sentence := range sentences {
		for n := len(sentence) - 1; n >= enough; n-- {
			if low[len(low)-1] == sentence[n-1] && strings.HasSuffix(low, sentence[:n]) {
				return reason{kind: kind, at: len(low) - n, end: len(low), weak: true}
			}
		}
	}
	return reason{}
}

// nameIn finds a symbol that is not a part of a longer word, "WSA" apart.
func nameIn(low string, names []string, kind Kind, weak bool) reason {
	for _, name := range names {
		for from := 0; ; {
			i := strings.Index(low[from:], name)
			if i < 0 {
				break
			}
			i += from
			from = i + len(name)
			before, after := strings.TrimSuffix(low[:i], "wsa"), strings.TrimPrefix(low[from:], "exception")
			after = strings.TrimPrefix(after, "able") // Rust's AddrNotAvailable
			if !endsInLetter(before) && !startsWithLetter(after) && !isCompared(before, low[from:]) {
				return reason{kind: kind, at: i, end: from, weak: weak}
			}
		}
	}
	return reason{}
}

// isCompared tells that a symbol is compared with in a line of source code, as
// runtimes print around the place of an error.
func isCompared(before, after string) bool {
	beside := strings.TrimRight(before, `"'`+" `.")
	after = strings.TrimLeft(after, `"'`+" `")
	unqualified := strings.TrimRight(withoutQualifier(before), ` "'`)
	return strings.HasSuffix(beside, "==") || strings.HasSuffix(unqualified, "==") || strings.HasSuffix(beside, "case") ||
		strings.HasSuffix(beside, "errno") && !strings.HasSuffix(before, "::") && strings.HasSuffix(before, ".") ||
		strings.HasPrefix(after, "==") || strings.HasPrefix(after, "=>")
}

// withoutQualifier cuts the "Constants." or "io::ErrorKind::" off before a name.
func withoutQualifier(before string) string {
	if !strings.HasSuffix(before, ".") && !strings.HasSuffix(before, "::") {
		return before
	}
	end := len(before)
	for end > 0 && len(before)-end < 60 && (isWord(before[end-1]) || before[end-1] == '.' || before[end-1] == ':') {
		end--
	}
	return before[:end]
}

func sentenceIn(low string, sentences []string, kind Kind, weak bool) reason {
	for _, sentence := range sentences {
		i := strings.Index(low, sentence)
		if i >= 0 && !otherAddress.MatchString(low[max(0, i-20):i]) && !otherUser.MatchString(low[i+len(sentence):]) {
			return reason{kind: kind, at: i, end: i + len(sentence), weak: weak}
		}
	}
	return reason{}
}

func addressUsedIn(low string) reason {
	if !strings.Contains(low, "address") {
		return reason{}
	}
	at := addressUsed.FindStringIndex(low)
	if at == nil || otherAddress.MatchString(low[max(0, at[0]-20):at[0]]) {
		return reason{}
	}
	// A person's address can be used too: it takes something of a socket.
	return reason{kind: AddrInUse, at: at[0], end: at[1], weak: !hasEndpoint(low[at[0]:at[1]])}
}

// numberIn finds an errno's number where an errno is printed. The small ones
// are weak outside "[Errno 98]" and "(os error 98)", and an English sentence
// beside them that is another error's takes them back.
func numberIn(low string) reason {
	for _, m := range numberPattern.FindAllStringSubmatchIndex(low, 8) {
		digits, word := m[4:6], ""
		if m[2] >= 0 {
			word = low[m[2]:m[3]]
		} else {
			digits = m[8:10]
		}
		number := low[digits[0]:digits[1]]
		if number[:1] == "4" && len(number) == 4 && low[digits[0]-1] != '-' {
			continue
		}
		if word == ":" && len(number) < 5 || hasAny(low[digits[1]:min(len(low), digits[1]+50)], otherReasons) {
			continue
		}
		kind := numberKind(number)
		weak := len(number) < 4 && !strongNumber.MatchString(word) || kind == Acces && number != "10013"
		return reason{kind: kind, at: m[0], end: digits[1], weak: weak}
	}
	return reason{}
}

func endsInLetter(s string) bool {
	return s != "" && isWord(s[len(s)-1])
}

func startsWithLetter(s string) bool {
	return s != "" && isWord(s[0])
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
