package diagnose

import "portdoc/netstate"

// socketOption is one of the options that decide about sharing.
type socketOption struct {
	name string
	set  func(o *netstate.Options, value bool)
	get  func(o *netstate.Options) *bool
}

var sharingOptions = []socketOption{
	{"SO_REUSEADDR",
		func(o *netstate.Options, value bool) { o.ReuseAddr = &value },
		func(o *netstate.Options) *bool { return o.ReuseAddr }},
	{"SO_REUSEPORT",
		func(o *netstate.Options, value bool) { o.ReusePort = &value },
		func(o *netstate.Options) *bool { return o.ReusePort }},
	{"IPV6_V6ONLY",
		func(o *netstate.Options, value bool) { o.V6Only = &value },
		func(o *netstate.Options) *bool { return o.V6Only }},
	{"SO_EXCLUSIVEADDRUSE",
		func(o *netstate.Options, value bool) { o.Exclusive = &value },
		func(o *netstate.Options) *bool { return o.Exclusive }},
}

// unknownOptions are the options of e that the snapshot does not have.
func unknownOptions(e *netstate.Socket) []socketOption {
	var unknown []socketOption
	for _, option := range sharingOptions {
		if option.get(&e.Options) == nil {
			unknown = append(unknown, option)
		}
	}
	return unknown
}

// describe names a socket in a sentence: "the LISTEN socket on 0.0.0.0:80".
func describe(e *netstate.Socket) string {
	return "the " + string(e.State) + " socket on " + e.Local.String()
}
