package diagnose

// truth is an answer in Kleene's three-valued logic: where a fact is not known
// the answer is unsure, unless the facts that are known settle it.
type truth uint8

// The order makes "and" the minimum and "or" the maximum.
const (
	no truth = iota
	unsure
	yes
)

// truthOf is the truth of a fact that is known.
func truthOf(fact bool) truth {
	if fact {
		return yes
	}
	return no
}

// known is the truth of a fact that may not be known.
func known(fact *bool) truth {
	if fact == nil {
		return unsure
	}
	return truthOf(*fact)
}

func (t truth) not() truth            { return yes - t }
func (t truth) and(other truth) truth { return min(t, other) }
func (t truth) or(other truth) truth  { return max(t, other) }
