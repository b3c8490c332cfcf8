package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"portdoc/cmd/portdoc/internal/echo"
)

const clientHelp = `Send standard input to an echo server and print what comes back.

The end of the input closes one direction only, and the client waits for the
rest of the echo: the copy of a file is identical. When the server closes first
the client ends at once, also while a terminal waits for a line. With
--notice=on-write it is told as many a simple program is: by the write after
the next.`

const clientExamples = `  portdoc client                       to 127.0.0.1:5188
  portdoc client localhost:7000        to another address
  portdoc client <file >copy           an identical copy
  portdoc client --hold                connected, and silent`

const clientExit = `  0  everything that was sent came back
  1  no connection, or it ended too early
  2  wrong usage, or the output could not be written`

const clientAddressExamples = "portdoc client 5188, portdoc client '[::1]:5188'"

// clientOptions are the flags and the argument of client.
type clientOptions struct {
	address    string
	sourcePort int
	hold       bool
	notice     string
}

func newClient(c *console) *cobra.Command {
	var o clientOptions
	command := &cobra.Command{
		Use:         "client [ADDRESS]",
		Short:       "Run the reference TCP echo client",
		Long:        clientHelp,
		Example:     clientExamples,
		Annotations: map[string]string{exitAnnotation: clientExit},
		Args:        cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, arguments []string) error {
			if err := o.validate(arguments); err != nil {
				return err
			}
			return runClient(command.Context(), c, &o)
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.hold, "hold", false, "stay connected and send nothing")
	flags.IntVar(&o.sourcePort, "source-port", 0, "bind the local side to port `N`")
	flags.StringVar(&o.notice, "notice", "at-once", "`WHEN` to notice that the server has closed: at-once or\non-write")
	return command
}

// validate refuses flags and arguments that can't be meant.
func (o *clientOptions) validate(arguments []string) error {
	word := "127.0.0.1:5188"
	if len(arguments) > 0 {
		word = arguments[0]
	}
	t, err := parseTCP(word)
	switch {
	case len(arguments) > 1:
		return usageError(fmt.Errorf("%s is too much: client takes one address", quote(arguments[1])), clientAddressExamples)
	case err != nil:
		return usageError(err, clientAddressExamples)
	case t.port == 0:
		return usageError(errors.New("port 0 can't be connected to"), clientAddressExamples)
	case o.sourcePort < 0 || o.sourcePort > 65535:
		return usageError(fmt.Errorf("%d is no port: --source-port is 0 to 65535", o.sourcePort), "portdoc client --source-port 45500")
	case o.notice != "at-once" && o.notice != "on-write":
		return usageError(fmt.Errorf("%s is no value of --notice: it is at-once or on-write", quote(o.notice)), "portdoc client --notice=on-write")
	case o.hold && o.notice == "on-write":
		return usageError(errors.New("--hold never writes, so that --notice=on-write would never notice"), "portdoc client --hold")
	case t.host == "":
		t.host = "127.0.0.1"
	}
	o.address = net.JoinHostPort(t.host, strconv.Itoa(int(t.port)))
	return nil
}

func runClient(ctx context.Context, c *console, o *clientOptions) error {
	conn, err := echo.Dial(ctx, o.address, uint16(o.sourcePort))
	if err != nil {
		return &failure{exitBlocked, fmt.Errorf("%w%s", err, refusal(ctx, err))}
	}
	fmt.Fprintf(c.errors, "connected to %s from %s\n", conn.RemoteAddr(), conn.LocalAddr())
	client := echo.Client{In: c.in, Out: c.out, NoticeOnWrite: o.notice == "on-write"}
	if o.hold {
		client.In = nil
	}
	if c.terminal {
		client.Out = echo.Escaped(c.out)
	}
	err = client.Run(ctx, conn)
	switch {
	case err == nil, c.out.err != nil:
		return err
	case errors.Is(err, syscall.EPIPE):
		err = fmt.Errorf("the server has closed the connection: %w", err)
	}
	return &failure{exitBlocked, err}
}
