package diagnose

import (
	"slices"
	"strings"

	"portdoc/netstate"
)

// socketFact is something about a socket that rules ask and that a snapshot
// may not know. Its variants are the answers it may have.
type socketFact struct {
	name     string
	missing  func(e *netstate.Socket) bool
	variants func(e netstate.Socket, uid *uint32) [2]netstate.Socket
}

var socketFacts = []socketFact{
	optionFact("SO_REUSEADDR", func(o *netstate.Options) **bool { return &o.ReuseAddr }),
	optionFact("SO_REUSEPORT", func(o *netstate.Options) **bool { return &o.ReusePort }),
	optionFact("SO_REUSEPORT_LB", func(o *netstate.Options) **bool { return &o.ReusePortLB }),
	optionFact("IPV6_V6ONLY", func(o *netstate.Options) **bool { return &o.V6Only }),
	optionFact("SO_EXCLUSIVEADDRUSE", func(o *netstate.Options) **bool { return &o.Exclusive }),
	{
		name:    "the user",
		missing: func(e *netstate.Socket) bool { return e.UID == nil },
		variants: func(e netstate.Socket, uid *uint32) [2]netstate.Socket {
			same, other := e, e
			same.UID, other.UID = uid, otherUser(uid)
			return [2]netstate.Socket{same, other}
		},
	},
}

func otherUser(uid *uint32) *uint32 {
	if uid == nil {
		return nil
	}
	return new(*uid + 1)
}

func optionFact(name string, field func(*netstate.Options) **bool) socketFact {
	return socketFact{
		name:    name,
		missing: func(e *netstate.Socket) bool { return *field(&e.Options) == nil },
		variants: func(e netstate.Socket, _ *uint32) [2]netstate.Socket {
			on, off := e, e
			*field(&on.Options), *field(&off.Options) = new(true), new(false)
			return [2]netstate.Socket{on, off}
		},
	}
}

// missingFacts names the facts about the sockets that an answer lacks, for a
// newcomer that belongs to the user. A fact is left out if the answer is the
// same either way; "" means that it is something else that lacks.
func missingFacts(s *netstate.Snapshot, sockets []int, uid *uint32, answer func(*netstate.Socket) truth) string {
	var names []string
	seen := map[string]bool{}
	for _, i := range sockets {
		for _, fact := range socketFacts {
			name := fact.name + " of " + describe(&s.Sockets[i])
			if !seen[name] && fact.decides(&s.Sockets[i], uid, answer) {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 && uid == nil && len(sockets) > 0 {
		return "the user who binds"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (f *socketFact) decides(e *netstate.Socket, uid *uint32, answer func(*netstate.Socket) truth) bool {
	if !f.missing(e) {
		return false
	}
	variants := f.variants(*e, uid)
	return answer(&variants[0]) != answer(&variants[1])
}

// describe names a socket in a sentence: "the LISTEN socket on 0.0.0.0:80".
func describe(e *netstate.Socket) string {
	return "the " + string(e.State) + " socket on " + e.Local.String()
}
