package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"portdoc/cmd/portdoc/internal/echo"
	"portdoc/diagnose"
	"portdoc/netstate"
)

// explainFunc prints why the bind that question is about fails.
type explainFunc func(ctx context.Context, question diagnose.Question)

// serveOptions are the flags of portdoc serve.
type serveOptions struct {
	streams
	explain explainFunc
	addr    string
	listen  echo.ListenOptions
	onEOF   string
	server  echo.Server
	quiet   bool
	drain   bool
}

const serveLong = `Echo what TCP clients send, on 0.0.0.0:5188 by default, and print it.

Ctrl+C ends the server at once: the system closes its connections, and the
side that closes first keeps TIME_WAIT for a minute. With --reuseaddr=false
a restart within that minute fails. Ctrl+Z stops the server, and it keeps
every socket until it goes on (fg) or dies.`

const serveExample = `  portdoc serve
  portdoc serve --addr [::1]:7000 --once
  portdoc serve --reuseaddr=false        the classic "address already in use"
  portdoc serve --on-eof=errors-only     the loop that spins on a closed client`

// newServeCommand is portdoc serve. When a bind fails, explain says why; it
// may be nil.
func newServeCommand(s streams, explain explainFunc) *cobra.Command {
	o := &serveOptions{streams: s, explain: explain}
	command := &cobra.Command{
		Use:     "serve",
		Short:   "Run the reference TCP echo server",
		Long:    serveLong,
		Example: serveExample,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) > 0 {
				return usageErrorf("serve takes no argument %q; use --addr for an address, as in --addr :5188", arguments[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.validate(c); err != nil {
				return err
			}
			return o.run(c.Context())
		},
	}
	o.addFlags(command)
	return command
}

func (o *serveOptions) addFlags(command *cobra.Command) {
	f := command.Flags()
	f.StringVar(&o.addr, "addr", ":"+defaultEchoPort, "address to listen on: `HOST:PORT` or :PORT")
	f.BoolVar(&o.listen.ReuseAddr, "reuseaddr", runtime.GOOS != "windows", "set SO_REUSEADDR before bind")
	f.BoolVar(&o.listen.ReusePort, "reuseport", false, "set SO_REUSEPORT before bind")
	f.BoolVar(&o.listen.V6Only, "v6only", false, "set IPV6_V6ONLY: [::] leaves IPv4 alone")
	f.IntVar(&o.listen.Backlog, "backlog", 0, "what listen(2) is given, `N` at least 1 (default: the system's maximum)")
	f.IntVar(&o.server.Linger, "linger", -1, "set SO_LINGER to `SECONDS`; 0 closes with RST (default: not set)")
	f.BoolVar(&o.server.Once, "once", false, "stop listening at the first client and exit when it leaves")
	f.BoolVar(&o.quiet, "quiet", false, "print errors only; the bytes then stay in the kernel (splice)")
	f.StringVar(&o.onEOF, "on-eof", "exit", "when a read brings nothing: exit, ignore or errors-only (two well-known bugs)")
	f.IntVar(&o.server.MaxSpins, "max-spins", 1_000_000, "end a client after `N` reads in a row that brought nothing")
	f.BoolVar(&o.drain, "drain", false, "on SIGINT or SIGTERM stop listening and let the clients finish; a second one ends at once")
}

// validate finds flags that can't be meant.
func (o *serveOptions) validate(command *cobra.Command) error {
	switch echo.OnEnd(o.onEOF) {
	case echo.EndExit, echo.EndIgnore, echo.EndErrorsOnly:
		o.server.OnEnd = echo.OnEnd(o.onEOF)
	default:
		return usageErrorf("--on-eof %q is unknown; use exit, ignore or errors-only", o.onEOF)
	}
	changed := command.Flags().Changed
	switch {
	case changed("backlog") && o.listen.Backlog < 1:
		return usageErrorf("--backlog %d is out of range; use 1 or more", o.listen.Backlog)
	case changed("linger") && (o.server.Linger < 0 || o.server.Linger > 65535):
		return usageErrorf("--linger %d is out of range; use 0 to 65535 seconds", o.server.Linger)
	case o.server.MaxSpins < 1:
		return usageErrorf("--max-spins %d is out of range; use 1 or more", o.server.MaxSpins)
	}
	return nil
}

func (o *serveOptions) run(ctx context.Context) error {
	address, err := listenAddress(ctx, o.addr, o.listen.V6Only)
	if err != nil {
		return err
	}
	listener, err := echo.Listen(ctx, address, o.listen)
	if err != nil {
		fmt.Fprintln(o.err, "portdoc:", err)
		if o.explain != nil {
			o.explain(ctx, diagnose.Question{
				Network: netstate.TCP, Address: address.Addr(), Port: address.Port(), Typed: o.addr,
				ReuseAddr: o.listen.ReuseAddr, ReusePort: o.listen.ReusePort, V6Only: o.listen.V6Only,
			})
		}
		return &exitError{status: 1}
	}
	o.server.Printer = o.printer()
	o.server.Printer.Event("listening on %s", listener.Addr())
	if o.drain {
		drainOnSignal(listener, o.server.Printer)
	}
	if err := o.server.Serve(ctx, listener); err != nil {
		return &exitError{1, err}
	}
	return nil
}

func (o *serveOptions) printer() *echo.Printer {
	p := &echo.Printer{Out: o.out, Err: o.err, Terminal: isTerminal(o.out)}
	if o.quiet {
		p.Out = nil
	}
	return p
}

// drainOnSignal closes the listener at the first SIGINT or SIGTERM. The next
// one has its default effect again: it ends the process.
func drainOnSignal(listener net.Listener, p *echo.Printer) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		listener.Close()
		p.Event("no new clients; the server ends when the last one has left")
	}()
}

// isTerminal tells whether w is shown to a person.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
