package errortext

// automaton is the finite automaton of Aho and Corasick (1975): it says in one
// pass over a text whether any of many words is in it. Letters A to Z match
// their lower case.
type automaton struct {
	class [256]uint8 // of a byte; class 0 is all bytes that no word has
	width int        // number of classes
	next  []uint32   // state + class: the next state, a multiple of width; 0 is the root
	final uint32     // this state and those after it end a word
}

// node is a state while the automaton is built.
type node struct {
	next  []int // by class; 0 is none, for no word leads back to the root
	fail  int
	final bool
}

func newAutomaton(words []string) *automaton {
	a := &automaton{width: 1}
	for _, word := range words {
		for i := range len(word) {
			a.addClass(word[i])
		}
	}
	for c := 'A'; c <= 'Z'; c++ {
		a.class[c] = a.class[c-'A'+'a']
	}
	nodes := []node{{next: make([]int, a.width)}}
	for _, word := range words {
		nodes = a.insert(nodes, word)
	}
	link(nodes)
	a.number(nodes)
	return a
}

func (a *automaton) addClass(b byte) {
	if a.class[b] == 0 {
		a.class[b] = uint8(a.width)
		a.width++
	}
}

func (a *automaton) insert(nodes []node, word string) []node {
	at := 0
	for i := range len(word) {
		c := a.class[word[i]]
		if nodes[at].next[c] == 0 {
			nodes[at].next[c] = len(nodes)
			nodes = append(nodes, node{next: make([]int, a.width)})
		}
		at = nodes[at].next[c]
	}
	nodes[at].final = true
	return nodes
}

// link completes the transitions breadth first, so that the failure state of a
// node is complete before the node is.
func link(nodes []node) {
	queue := []int{0}
	for i := 0; i < len(queue); i++ {
		at := queue[i]
		fallback := nodes[nodes[at].fail].next
		for c, to := range nodes[at].next {
			if to == 0 {
				nodes[at].next[c] = fallback[c]
				continue
			}
			if at != 0 {
				nodes[to].fail = fallback[c]
			}
			nodes[to].final = nodes[to].final || nodes[nodes[to].fail].final
			queue = append(queue, to)
		}
	}
}

// number gives the states that end a word the highest numbers, so that one
// comparison tells them.
func (a *automaton) number(nodes []node) {
	order := make([]uint32, len(nodes))
	next := uint32(0)
	for _, final := range []bool{false, true} {
		if final {
			a.final = next
		}
		for i := range nodes {
			if nodes[i].final == final {
				order[i] = next
				next += uint32(a.width)
			}
		}
	}
	a.next = make([]uint32, len(nodes)*a.width)
	for i := range nodes {
		for c, to := range nodes[i].next {
			a.next[int(order[i])+c] = order[to]
		}
	}
}

// find is the index after the first word in text, -1 if none is in it.
func (a *automaton) find(text []byte) int {
	state := uint32(0)
	for i, b := range text {
		state = a.next[state+uint32(a.class[b])]
		if state >= a.final {
			return i + 1
		}
	}
	return -1
}
