package netstate

import (
	"context"
	"errors"
	"time"

	"github.com/mdlayher/netlink"
)

// dumpNetlink asks a netlink protocol for a whole list, again if the kernel
// says that it changed meanwhile. With errUnstable it changed each time.
func dumpNetlink(ctx context.Context, protocol int, kind netlink.HeaderType, request []byte) ([]netlink.Message, error) {
	conn, err := netlink.Dial(protocol, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	for range maxDumps {
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
	return nil, errUnstable
}

func interrupted(messages []netlink.Message) bool {
	for _, m := range messages {
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			return true
		}
	}
	return false
}
