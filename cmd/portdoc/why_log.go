package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"portdoc/diagnose"
	"portdoc/diagnose/errortext"
)

// logPause is how long nothing has to come for what was read to be taken as
// all that a program printed about a failure.
const logPause = 300 * time.Millisecond

// logReader explains the failures that a log tells of, as they come.
type logReader struct {
	ctx     context.Context
	console *console
	options *whyOptions
	found   bool // a failure
	told    bool // something, so that a gap has to come before what is next
	repeats int  // of failures that were explained before
	last    int  // the line of the last of them
	status  int  // the highest of the reports
}

// runWhyLog reads a log or an error message on standard input to its end and
// explains each bind failure in it, or only prints what was read.
func runWhyLog(ctx context.Context, c *console, o *whyOptions) error {
	if o.snapshot == "-" {
		return usageError(errors.New("standard input is the log and can't be the snapshot too"), "portdoc why - --snapshot FILE < LOG")
	}
	if file, ok := c.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fmt.Fprintln(c.errors, "portdoc: reading a log from the terminal; end it with Ctrl+D on a line of its own")
	}
	r := &logReader{ctx: ctx, console: c, options: o}
	if err := followLog(c.in, errortext.NewScanner(r.failure)); err != nil {
		return err
	}
	if !r.found {
		fmt.Fprintln(c.errors, "portdoc: no bind failure is in this text")
	}
	if err := r.tellRepeats(); err != nil {
		return err
	}
	return exitStatus(r.status)
}

// followLog gives a scanner all that in has, and tells it when in pauses, so
// that a failure is explained while the program that printed it still runs.
func followLog(in io.Reader, s *errortext.Scanner) error {
	pieces, ended := make(chan []byte), make(chan error, 1)
	done := make(chan struct{})
	defer close(done)
	go func() { ended <- readPieces(in, pieces, done) }()
	pause := time.NewTimer(logPause)
	defer pause.Stop()
	for {
		select {
		case piece := <-pieces:
			if _, err := s.Write(piece); err != nil {
				return err
			}
			pieces <- piece // to be filled again
			pause.Reset(logPause)
		case <-pause.C:
			if err := s.Settle(); err != nil {
				return err
			}
		case err := <-ended:
			return errors.Join(s.Close(), err)
		}
	}
}

// readPieces hands on what in has, piece by piece. Each comes back to be
// filled again.
func readPieces(in io.Reader, pieces chan []byte, done <-chan struct{}) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := in.Read(buffer)
		if n > 0 {
			select {
			case pieces <- buffer[:n]:
				<-pieces
			case <-done:
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("standard input can't be read: %w", err)
		}
	}
}

// failure explains one failure. A retry of one that was explained is only
// counted.
func (r *logReader) failure(f errortext.Failure) error {
	r.found = true
	if r.options.extract {
		return json.NewEncoder(r.console.out).Encode(f)
	}
	if f.Repeat > 0 {
		r.repeats, r.last = r.repeats+1, f.Line
		return nil
	}
	if !r.options.json {
		if err := r.tellRepeats(); err != nil {
			return err
		}
		if err := r.quote(f); err != nil {
			return err
		}
	}
	if f.Port == nil && f.Path == "" && f.Op != errortext.Connect {
		return r.portless(f)
	}
	return r.explain(f)
}

// quote shows the line that is explained next.
func (r *logReader) quote(f errortext.Failure) error {
	gap := ""
	if r.told {
		gap = "\n"
	}
	r.told = true
	lines := wrap(fmt.Sprintf("line %d: %s", f.Line, diagnose.Printable(f.Text)), max(20, r.console.width))
	_, err := fmt.Fprintf(r.console.out, "%s%s\n", gap, strings.Join(lines, "\n"))
	return err
}

// tellRepeats says how often failures came again since it was told last.
func (r *logReader) tellRepeats() error {
	if r.repeats == 0 || r.options.json || r.options.extract {
		return nil
	}
	times := "once more"
	if r.repeats > 1 {
		times = fmt.Sprintf("%d times more", r.repeats)
	}
	_, err := fmt.Fprintf(r.console.out, "\nThe same failed %s, last on line %d.\n", times, r.last)
	r.repeats = 0
	return err
}

// explain writes the report about a failure's address. The rest of the log is
// still read when one can't be made.
func (r *logReader) explain(f errortext.Failure) error {
	if f.Op == errortext.Connect && !r.options.json {
		if err := r.note(connectNote(f)); err != nil {
			return err
		}
	}
	o := *r.options
	o.words = []string{logTarget(f)}
	reports, err := explain(r.ctx, r.console, &o)
	if err != nil && f.Address != "" { // a host that is not known here
		f.Address = ""
		o.words = []string{logTarget(f)}
		reports, err = explain(r.ctx, r.console, &o)
	}
	if err != nil {
		r.console.complain(fmt.Errorf("line %d can't be explained: %w", f.Line, err))
		r.status = exitUnknown
		return nil
	}
	for _, report := range reports {
		if err := writeReport(r.console, &o, report, true); err != nil {
			return err
		}
		r.status = max(r.status, statusOfVerdict(report.Verdict))
	}
	return nil
}

// logTarget is what to ask about a failure. The address of a connect is the
// other end's: what failed is getting a port of one's own.
func logTarget(f errortext.Failure) string {
	switch {
	case f.Op == errortext.Connect:
		return "0"
	case f.Path != "" && f.Path[0] != '@':
		return "unix:" + f.Path
	case f.Path != "":
		return f.Path
	}
	word := strconv.Itoa(int(*f.Port))
	if f.Address != "" && f.Address != "*" {
		word = net.JoinHostPort(f.Address, word)
	}
	if f.Network == "udp" {
		word += "/udp"
	}
	return word
}

func connectNote(f errortext.Failure) string {
	other := "the other end"
	if f.Port != nil {
		other = diagnose.Printable(net.JoinHostPort(f.Address, strconv.Itoa(int(*f.Port)))) + " is the other end"
	}
	return "A connect failed here, not a bind: " + other + ", and this machine had no address or port of its own for it. What follows is about its own ports."
}

// kindNames are what a failure without a port is told to be.
var kindNames = map[errortext.Kind]string{
	errortext.AddrInUse:    "an address is in use (EADDRINUSE)",
	errortext.Acces:        "binding is not permitted (EACCES)",
	errortext.AddrNotAvail: "the address is not one of this machine (EADDRNOTAVAIL)",
	errortext.InUseUnix:    "a unix socket's path is in use (EADDRINUSE)",
}

// portless tells of a failure whose address the text does not state, and how
// to find it.
func (r *logReader) portless(f errortext.Failure) error {
	r.status = exitUnknown
	what, missing := kindNames[f.Kind], "port"
	if f.Kind == errortext.InUseUnix {
		missing = "path"
	}
	if r.options.json {
		r.console.complain(fmt.Errorf("line %d: %s, and the text does not say which %s", f.Line, what, missing))
		return nil
	}
	if err := r.note("? " + strings.ToUpper(what[:1]) + what[1:] + ", and the text does not say which " + missing + "."); err != nil {
		return err
	}
	_, err := io.WriteString(r.console.out, `
What to do
  1. See it happen, with the address:
       portdoc run -- YOUR PROGRAM
`)
	return err
}

// note writes a paragraph.
func (r *logReader) note(text string) error {
	_, err := io.WriteString(r.console.out, strings.Join(wrap(text, max(20, min(r.console.width, maxProse))), "\n")+"\n")
	return err
}
