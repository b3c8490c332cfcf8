package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"portdoc/cmd/portdoc/internal/job"
	"portdoc/cmd/portdoc/internal/trace"
	"portdoc/diagnose"
	"portdoc/diagnose/errortext"
)

const (
	// mostReports is how many failures are explained at length. A program
	// that looks for a free port may fail at hundreds.
	mostReports = 8
	// mostOwn bounds how many of the command's sockets are remembered.
	mostOwn = 4096
)

// runReporter explains what fails while a command runs.
type runReporter struct {
	ctx context.Context
	out io.Writer
	layout

	mutex    sync.Mutex
	evidence map[*trace.Call]*diagnose.Report
	own      map[uint64]trace.Call // sockets that the command has bound, by inode
	repeats  map[string]int        // failures that were told, and how often they came again
	order    []string
	inVain   map[string]time.Time // when connects were looked into and nothing told
	reports  int
	blind    bool
	last     *lastFailure
}

// lastFailure is what a command that ended may have failed at.
type lastFailure struct {
	key    string
	asked  asked
	report *diagnose.Report
	itself bool // the command itself has the address
}

// newRunReporter makes one that writes to standard error.
func newRunReporter(ctx context.Context, c *console) *runReporter {
	r := &runReporter{
		ctx:      ctx,
		out:      c.errors,
		layout:   layout{width: c.width},
		evidence: make(map[*trace.Call]*diagnose.Report),
		own:      make(map[uint64]trace.Call),
		repeats:  make(map[string]int),
		inVain:   make(map[string]time.Time),
	}
	if file, ok := c.errors.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		r.color = colorful()
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 {
			r.width = columns
		}
	}
	r.width -= len(indent)
	return r
}

// say writes one line.
func (r *runReporter) say(text string) {
	r.write("portdoc: " + diagnose.Printable(text) + "\n")
}

// write writes at once, so that nothing of the command's gets in between.
func (r *runReporter) write(text string) {
	job.Undisturbed(func() { io.WriteString(r.out, text) })
}

// handler is told of the command's calls.
func (r *runReporter) handler(verbose bool) trace.Handler {
	return trace.Handler{Held: r.held, Ended: r.ended, Blind: func(err error) {
		r.mutex.Lock()
		first := !r.blind
		r.blind = true
		r.mutex.Unlock()
		if first && verbose {
			r.say(fmt.Sprintf("some calls are not explained: %v", err))
		}
	}}
}

// held looks at the machine before a call that is going to fail.
func (r *runReporter) held(call *trace.Call) {
	r.mutex.Lock()
	_, told := r.repeats[failureKey(call)]
	r.mutex.Unlock()
	if told || !foresees(call) {
		return
	}
	if report, err := askAboutCall(call).report(r.ctx); err == nil {
		r.mutex.Lock()
		r.evidence[call] = report
		r.mutex.Unlock()
	}
}

// ended tells of a call that failed. One that succeeds at last is told too.
func (r *runReporter) ended(call *trace.Call, failed bool) {
	if call.Op == trace.Connect {
		r.connectFailed(call)
		return
	}
	key := failureKey(call)
	r.mutex.Lock()
	report := r.evidence[call]
	delete(r.evidence, call)
	r.mutex.Unlock()
	if !failed {
		r.succeeded(key, call)
		return
	}
	if r.again(key) {
		return
	}
	ask := askAboutCall(call)
	ask.probe = false // the program may try again now
	if report == nil {
		report, _ = ask.report(r.ctx)
	}
	r.tell(key, callHeader(call), ask, report, call)
}

// succeeded remembers whose the socket is.
func (r *runReporter) succeeded(key string, call *trace.Call) {
	r.mutex.Lock()
	if len(r.own) >= mostOwn {
		clear(r.own)
	}
	r.own[call.Socket] = *call
	times, told := r.repeats[key]
	delete(r.repeats, key)
	if told && r.last != nil && r.last.key == key {
		r.last = nil
	}
	r.mutex.Unlock()
	if told {
		r.say(fmt.Sprintf("%s %s succeeded now, after %s", call.Op, callTarget(call), failures(times+1)))
	}
}

func failures(n int) string {
	if n == 1 {
		return "1 failure"
	}
	return fmt.Sprintf("%d failures", n)
}

// again counts a failure that was told before.
func (r *runReporter) again(key string) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	times, told := r.repeats[key]
	if told {
		r.repeats[key] = times + 1
		return true
	}
	r.repeats[key] = 0
	r.order = append(r.order, key)
	return false
}

// tellRepeats says how often failures came again.
func (r *runReporter) tellRepeats() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, key := range r.order {
		if times := r.repeats[key]; times > 0 {
			r.say(fmt.Sprintf("%s failed again, %s", strings.SplitN(key, "\x00", 2)[0], count(times)))
			r.repeats[key] = 0
		}
	}
}

func count(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// textFailure tells of a failure that the command's own words tell of.
func (r *runReporter) textFailure(f errortext.Failure) error {
	if f.Port == nil && f.Path == "" && f.Op != errortext.Connect {
		if !r.again(string(f.Op) + f.Text) {
			r.say(kindNames[f.Kind] + ", and the message does not say which: " + f.Text)
		}
		return nil
	}
	word := logTarget(f)
	key := fmt.Sprintf("%s %s", f.Op, word)
	if r.again(key) {
		return nil
	}
	ask := asked{word: word, probe: true}
	report, err := ask.report(r.ctx)
	if err != nil {
		r.say(fmt.Sprintf("%s failed, and can't be explained: %v", key, err))
		return nil
	}
	r.tell(key, key+" failed", ask, report, nil)
	return nil
}

// tell writes a report under a header, indented.
func (r *runReporter) tell(key, header string, ask asked, report *diagnose.Report, call *trace.Call) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.last = &lastFailure{key: key, asked: ask, report: report}
	if report == nil {
		r.say(header + ", and could not be explained in time")
		return
	}
	var notes []string
	if call != nil {
		var itself bool
		notes, itself = r.callNotes(call, report)
		r.last.itself = itself
	}
	r.reports++
	if r.reports > mostReports {
		r.say(header + ": " + report.Summary)
		return
	}
	p := &page{layout: r.layout, report: report}
	for _, note := range notes {
		p.paragraph("", note)
		p.line("")
	}
	body := p.String() + renderText(report, r.layout)
	r.write("\nportdoc: " + diagnose.Printable(header) + "\n\n" + setOff(body) + "\n")
}

// indented2 sets a report off from what the program writes.
func setOff(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			b.WriteString(indent)
		}
		b.WriteString(line)
	}
	return b.String()
}
