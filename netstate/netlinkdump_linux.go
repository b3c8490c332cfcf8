package netstate

import (
	"context"
	"errors"
	"time"

	"github.com/mdlayher/netlink"
)

const (
	// netlinkTimeout bounds one exchange with the kernel, which answers
	// from memory.
	netlinkTimeout = 5 * time.Second
	// netlinkAttempts is how often a dump that was overtaken by a change
	// (NLM_F_DUMP_INTR) is made.
	netlinkAttempts = 5
)

var errDumpInterrupted = errors.New("the list changed each time while it was read")

// dumpNetlink asks a netlink protocol for a whole list.
func dumpNetlink(ctx context.Context, protocol int, kind netlink.HeaderType, request []byte) ([]netlink.Message, error) {
	conn, err := netlink.Dial(protocol, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(netlinkTimeout)); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	for range netlinkAttempts {
		messages, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Dump},
			Data:   request,
		})
		if err != nil {
			return nil, errors.Join(ctx.Err(), err)
		}
		if !interrupted(messages) {
			return messages, nil
		}
	}
	return nil, errDumpInterrupted
}

func interrupted(messages []netlink.Message) bool {
	for _, m := range messages {
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			return true
		}
	}
	return false
}
