package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"portdoc/cmd/portdoc/internal/echo"
	"portdoc/netstate"
)

// clientOptions are the flags and the argument of portdoc client.
type clientOptions struct {
	streams
	address    string
	sourcePort int
	hold       bool
	notice     string
}

const clientLong = `Send standard input to an echo server, 127.0.0.1:5188 by default, and print
what comes back. The end of the input closes one direction only: the client
waits for the rest of the echo, so that

  portdoc client <file >copy

makes an identical copy. The client notices at once when the server has
closed, and exits with status 1. With --notice=on-write it learns of that as
many a simple program does: by the write after the next.`

// newClientCommand is portdoc client.
func newClientCommand(s streams) *cobra.Command {
	o := &clientOptions{streams: s}
	command := &cobra.Command{
		Use:   "client [ADDR]",
		Short: "Run the reference TCP echo client",
		Long:  clientLong,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) > 1 {
				return usageErrorf("client takes one address, and %q is one more; use for example 127.0.0.1:5188", arguments[1])
			}
			return nil
		},
		RunE: func(c *cobra.Command, arguments []string) error {
			if err := o.validate(arguments); err != nil {
				return err
			}
			return o.run(c.Context())
		},
	}
	f := command.Flags()
	f.IntVar(&o.sourcePort, "source-port", 0, "bind the local side to port `N`")
	f.BoolVar(&o.hold, "hold", false, "stay connected without sending anything")
	f.StringVar(&o.notice, "notice", "at-once", "when to notice that the server has closed: at-once or on-write")
	return command
}

func (o *clientOptions) validate(arguments []string) error {
	text := defaultEchoPort
	if len(arguments) == 1 {
		text = arguments[0]
	}
	host, port, ok := splitEchoAddress(text)
	switch {
	case !ok || port == 0:
		return usageErrorf("%q is no address to connect to; use for example 127.0.0.1:5188 or [::1]:5188", text)
	case o.sourcePort < 0 || o.sourcePort > 65535:
		return usageErrorf("--source-port %d is out of range; use 0 to 65535", o.sourcePort)
	case o.notice != "at-once" && o.notice != "on-write":
		return usageErrorf("--notice %q is unknown; use at-once or on-write", o.notice)
	case o.hold && o.notice == "on-write":
		return usageErrorf("--hold never writes, so that --notice=on-write would never notice; use one of them")
	}
	if host == "" {
		host = "127.0.0.1"
	}
	o.address = net.JoinHostPort(host, fmt.Sprint(port))
	return nil
}

func (o *clientOptions) run(ctx context.Context) error {
	conn, err := echo.Dial(ctx, o.address, uint16(o.sourcePort))
	if err != nil {
		return &exitError{1, fmt.Errorf("%w%s", err, refusal(ctx, err))}
	}
	fmt.Fprintf(o.err, "connected to %s from %s\n", conn.RemoteAddr(), conn.LocalAddr())
	client := echo.Client{In: o.in, Out: o.out, NoticeOnWrite: o.notice == "on-write"}
	if o.hold {
		client.In = nil
	}
	if isTerminal(o.out) {
		client.Out = echo.Escaped(o.out)
	}
	err = client.Run(ctx, conn)
	if errors.Is(err, syscall.EPIPE) {
		err = fmt.Errorf("the server has closed the connection: %w", err)
	}
	if err != nil {
		return &exitError{1, err}
	}
	return nil
}

// refusal says what is there instead of a listener, when err is a refused
// connection; otherwise it is empty.
func refusal(ctx context.Context, err error) string {
	failed := (*net.OpError)(nil)
	if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &failed) {
		return ""
	}
	remote, ok := failed.Addr.(*net.TCPAddr)
	if !ok {
		return ""
	}
	address := netip.AddrPortFrom(remote.AddrPort().Addr().Unmap(), uint16(remote.Port))
	if !isLocal(address.Addr()) {
		return fmt.Sprintf(": nothing listens on %s, or a firewall refuses in its place", address)
	}
	return fmt.Sprintf(": nothing listens on %s%s", address, othersOn(ctx, address.Port()))
}

// othersOn says which sockets of this machine have the port, as far as that
// can be seen.
func othersOn(ctx context.Context, port uint16) string {
	query := netstate.Query{Endpoints: []netstate.Endpoint{{Network: netstate.TCP, Port: port, LastPort: port}}}
	snapshot, err := netstate.Read(ctx, query)
	if err != nil {
		return ""
	}
	var rows []string
	for _, socket := range snapshot.Sockets {
		rows = append(rows, fmt.Sprintf("%s on %s", socket.State, socket.Local))
	}
	switch {
	case len(rows) > 5:
		rows = append(rows[:5], fmt.Sprintf("%d more", len(rows)-5))
	case len(rows) == 0 && len(snapshot.Limits) > 0:
		return ""
	case len(rows) == 0:
		return fmt.Sprintf("; no socket of this machine has port %d", port)
	}
	return fmt.Sprintf("; port %d has %s", port, strings.Join(rows, ", "))
}

// isLocal tells whether addr is an address of this machine.
func isLocal(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && network.IP.Equal(addr.AsSlice()) {
			return true
		}
	}
	return false
}
