package main

import (
	"net"
	"os"
	"os/signal"
	"syscall"

	"portdoc/cmd/portdoc/internal/echo"
)

// drainOnSignal stops listening at the first SIGINT or SIGTERM. The next one
// has its default effect again: it ends the process.
func drainOnSignal(listener net.Listener, p *echo.Printer) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		p.Event("no new clients: the server ends with the last one")
		listener.Close()
	}()
}
