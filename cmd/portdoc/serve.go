package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"runtime"

	"github.com/spf13/cobra"

	"portdoc/cmd/portdoc/internal/echo"
	"portdoc/diagnose"
	"portdoc/netstate"
)

const serveHelp = `Echo what TCP clients send, on 0.0.0.0:5188 by default, and print it.

Ctrl+C ends the server at once: the system closes its connections, and the side
that closes first keeps TIME_WAIT for a minute. With --reuseaddr=false a restart
within that minute fails. Ctrl+Z stops the server: it keeps every socket until
it goes on (fg) or is ended.`

const serveExamples = `  portdoc serve                       on 0.0.0.0:5188
  portdoc serve --addr '[::1]:7000'   on another address
  portdoc serve --reuseaddr=false     the classic "address already in use"
  portdoc serve --on-eof=errors-only  the loop that spins when a client closes`

const serveExit = `  0  the server ended because it was asked to (--once, --drain)
  1  the address can't be bound, or accepting failed
  2  wrong usage, or the output could not be written`

const serveAddressExamples = "portdoc serve --addr :5188, portdoc serve --addr '[::1]:5188'"

// serveOptions are the flags of serve.
type serveOptions struct {
	address string
	listen  echo.ListenOptions
	server  echo.Server
	onEOF   string
	quiet   bool
	drain   bool
}

func newServe(c *console) *cobra.Command {
	var o serveOptions
	command := &cobra.Command{
		Use:         "serve",
		Short:       "Run the reference TCP echo server",
		Long:        serveHelp,
		Example:     serveExamples,
		Annotations: map[string]string{exitAnnotation: serveExit},
		Args:        noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := o.validate(command); err != nil {
				return err
			}
			return runServe(command.Context(), c, &o)
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.address, "addr", ":5188", "`ADDRESS` to listen on")
	flags.BoolVar(&o.quiet, "quiet", false, "print errors only (on Linux the bytes then stay in the kernel)")
	flags.BoolVar(&o.server.Once, "once", false, "serve one client, then exit")
	flags.BoolVar(&o.drain, "drain", false, "let clients finish after SIGINT or SIGTERM; the next one\nends the server at once")
	// On Windows SO_REUSEADDR would let two servers share the port.
	flags.BoolVar(&o.listen.ReuseAddr, "reuseaddr", runtime.GOOS != "windows", "set SO_REUSEADDR; --reuseaddr=false really clears it")
	flags.BoolVar(&o.listen.ReusePort, "reuseport", false, "set SO_REUSEPORT")
	flags.BoolVar(&o.listen.V6Only, "v6only", false, "set IPV6_V6ONLY: [::] takes no IPv4 clients")
	flags.IntVar(&o.listen.Backlog, "backlog", 0, "length `N` of the accept queue (default the system's maximum)")
	flags.IntVar(&o.server.Linger, "linger", -1, "SO_LINGER in `SECONDS`: 0 makes a close send RST, -1 leaves it unset")
	flags.StringVar(&o.onEOF, "on-eof", "exit", "`ACTION` when a read brings nothing: exit, or one of two\nfamous mistakes: ignore, errors-only")
	flags.IntVar(&o.server.MaxSpins, "max-spins", 1_000_000, "end a client after `N` such reads in a row")
	return command
}

// validate refuses flags that can't be meant.
func (o *serveOptions) validate(command *cobra.Command) error {
	switch o.server.OnEnd = echo.OnEnd(o.onEOF); {
	case o.onEOF != "exit" && o.onEOF != "ignore" && o.onEOF != "errors-only":
		return usageError(fmt.Errorf("%s is no value of --on-eof: it is exit, ignore or errors-only", quote(o.onEOF)),
			"portdoc serve --on-eof=errors-only")
	case command.Flags().Changed("backlog") && o.listen.Backlog < 1:
		return usageError(fmt.Errorf("%d is no length of a queue: --backlog is 1 or more", o.listen.Backlog), "portdoc serve --backlog 16")
	case o.server.Linger < -1 || o.server.Linger > 65535:
		return usageError(fmt.Errorf("%d is no time: --linger is 0 to 65535 seconds, or -1", o.server.Linger), "portdoc serve --linger 0")
	case o.server.MaxSpins < 1:
		return usageError(fmt.Errorf("%d reads are too few: --max-spins is 1 or more", o.server.MaxSpins), "portdoc serve --max-spins 1000")
	}
	return nil
}

func runServe(ctx context.Context, c *console, o *serveOptions) error {
	address, err := listenAddress(ctx, o.address, o.listen.V6Only)
	if err != nil {
		return err
	}
	listener, err := echo.Listen(ctx, address, o.listen)
	if err != nil {
		c.complain(err)
		explainListen(ctx, c, address, o)
		return exitStatus(exitBlocked)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &echo.Printer{Out: endsWith{c.out, cancel}, Err: c.errors, Terminal: c.terminal}
	if o.quiet {
		p.Out = nil
	}
	p.Event("listening on %s", listener.Addr())
	if o.drain {
		drainOnSignal(listener, p)
	}
	o.server.Printer = p
	if err := o.server.Serve(ctx, listener); err != nil {
		return &failure{exitBlocked, err}
	}
	return nil
}

// endsWith ends the server with its output.
type endsWith struct {
	io.Writer
	cancel context.CancelFunc
}

func (e endsWith) Write(p []byte) (int, error) {
	n, err := e.Writer.Write(p)
	if err != nil {
		e.cancel()
	}
	return n, err
}

// explainListen says on standard error why the address could not be bound.
func explainListen(ctx context.Context, c *console, address netip.AddrPort, o *serveOptions) {
	ask := func(*netstate.Snapshot) []diagnose.Question {
		return []diagnose.Question{{
			Network: netstate.TCP, Address: address.Addr(), Port: address.Port(), Typed: address.String(),
			ReuseAddr: o.listen.ReuseAddr, ReusePort: o.listen.ReusePort, V6Only: o.listen.V6Only,
		}}
	}
	endpoint := netstate.Endpoint{Network: netstate.TCP, Port: address.Port(), LastPort: address.Port()}
	look := observation{query: netstate.Query{Endpoints: []netstate.Endpoint{endpoint}}, ask: ask, why: diagnose.Why, probe: true}
	_, reports, err := look.observe(ctx)
	if err != nil {
		c.complain(err)
		return
	}
	for _, report := range reports {
		io.WriteString(c.errors, renderText(report, layout{width: c.width}))
	}
}

// listenAddress reads the address to listen on. Without a host it is 0.0.0.0,
// or [::] when only IPv6 is wanted; of the addresses of a name the first of the
// wanted family is taken, IPv4 if none is.
func listenAddress(ctx context.Context, word string, v6only bool) (netip.AddrPort, error) {
	t, err := parseTCP(word)
	if err != nil {
		return netip.AddrPort{}, usageError(err, serveAddressExamples)
	}
	addresses, err := resolve(ctx, t.host)
	if err != nil {
		return netip.AddrPort{}, usageError(err, serveAddressExamples)
	}
	if t.host == "" {
		addresses = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	for _, address := range addresses {
		if address.Is4() != v6only {
			return netip.AddrPortFrom(address, t.port), nil
		}
	}
	if v6only {
		return netip.AddrPort{}, usageError(fmt.Errorf("%s is an IPv4 address, and --v6only is for IPv6", quote(word)),
			"portdoc serve --v6only --addr '[::]:5188'")
	}
	return netip.AddrPortFrom(addresses[0], t.port), nil
}

// parseTCP reads a target that has to be about TCP.
func parseTCP(word string) (target, error) {
	t, err := parseTarget(word)
	if err == nil && t.network != netstate.TCP {
		err = fmt.Errorf("%s is no TCP address", quote(word))
	}
	return t, err
}
