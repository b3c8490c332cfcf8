package lab

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"portdoc/diagnose"
	"portdoc/netstate"
)

// patience is how long a process may take for a line or for its end, and the
// kernel for a change of state. It is never waited for when all goes well.
const patience = 30 * time.Second

// Options say how an experiment is played.
type Options struct {
	// Program is the path of portdoc, whose commands the processes run.
	Program string
	// Look reads a target and tries no bind, Ask tries them too.
	Look, Ask func(ctx context.Context, target string) (*diagnose.Report, error)
	// Audience may be nil.
	Audience Audience
	// Keep leaves the state standing until the context is done.
	Keep bool
}

// Play plays an experiment. The context ends it early; the error is then that
// of the context. No process and no file is left when it returns.
func Play(ctx context.Context, e *Experiment, o Options) (*Result, error) {
	// On Linux a child is killed when the thread that started it ends. This
	// one does not while it is locked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if o.Audience == nil {
		o.Audience = nobody{}
	}
	s := &stage{Options: o, ctx: ctx, result: &Result{
		Schema: Schema, Experiment: e.Name, ExpectedCause: e.Cause, ExpectedVerdict: e.Verdict}}
	defer s.cleanUp()
	err := s.attempt(func() { s.play(e) })
	s.result.Port = s.port
	if ctx.Err() != nil && !s.kept {
		return s.result, ctx.Err()
	}
	if err != nil {
		s.result.Problem = err.Error()
	}
	s.result.OK = err == nil
	return s.result, nil
}

// surprise is what this machine did other than expected. The methods of a
// stage and its actors panic with it, so that a step reads as a story.
type surprise struct{ text string }

func (s surprise) Error() string { return s.text }

func surprised(format string, arguments ...any) {
	panic(surprise{fmt.Sprintf(format, arguments...)})
}

// attempt turns a surprise into an error.
func (s *stage) attempt(play func()) (err error) {
	defer func() {
		switch caught := recover().(type) {
		case nil:
		case surprise:
			err = caught
		default:
			s.cleanUp()
			panic(caught)
		}
	}()
	play()
	return nil
}

func (s *stage) play(e *Experiment) {
	for i := range e.Steps {
		s.step(e, &e.Steps[i])
	}
	target := s.target(e)
	s.result.Target = target
	report, err := s.Ask(s.ctx, target)
	if err != nil {
		surprised("portdoc why %s: %v", target, err)
	}
	s.result.Report = report
	s.Audience.Explained(target, report)
	judge(e, report)
	if s.Keep {
		s.kept = true
		s.Audience.Kept(target, s.pids())
		<-s.ctx.Done()
		return
	}
	for i := range e.After {
		s.step(e, &e.After[i])
	}
}

// judge checks the report against what was expected.
func judge(e *Experiment, report *diagnose.Report) {
	var ids []string
	for _, cause := range report.Causes {
		ids = append(ids, string(cause.ID))
	}
	if e.Cause != "" && !slices.Contains(ids, string(e.Cause)) {
		surprised("the report should have the cause %s; it has %s", e.Cause, orNone(ids))
	}
	if e.Verdict != "" && report.Verdict != e.Verdict {
		surprised("the verdict should be %s; it is %s", e.Verdict, report.Verdict)
	}
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// step does one step and looks at the port.
func (s *stage) step(e *Experiment, step *Step) {
	s.result.Steps = append(s.result.Steps, StepResult{Does: step.Does})
	s.Audience.StepBegins(len(s.result.Steps), step.Does)
	var report *diagnose.Report
	err := s.attempt(func() {
		step.do(s)
		if step.states != nil {
			report = s.await(s.target(e), step.states)
		}
	})
	done := s.current()
	if report != nil {
		done.Sockets = report.Sockets
	}
	s.Audience.StepEnds(done, report)
	if err != nil {
		surprised("step %d: %v", len(s.result.Steps), err)
	}
}

// current is the step that is being done.
func (s *stage) current() *StepResult { return &s.result.Steps[len(s.result.Steps)-1] }

// target is what the experiment's report is about.
func (s *stage) target(e *Experiment) string {
	target := e.Target
	if target == "" {
		target = "PORT"
	}
	target = strings.ReplaceAll(target, "PORT", strconv.Itoa(int(s.port)))
	if strings.Contains(target, "DIR") {
		target = strings.ReplaceAll(target, "DIR", s.directory())
	}
	return target
}

// await looks until the sockets have the wanted states: the last segments of a
// connection may still be on their way when a process has done its part.
func (s *stage) await(target string, want []netstate.State) *diagnose.Report {
	deadline := time.After(patience)
	for {
		report, err := s.Look(s.ctx, target)
		if err != nil {
			surprised("portdoc why %s: %v", target, err)
		}
		got := states(report)
		if slices.Equal(got, sorted(want)) {
			return report
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-s.ctx.Done():
			surprised("%v", s.ctx.Err())
		case <-deadline:
			surprised("the sockets on the port should be in %s; they are in %s", orNone(sorted(want)), orNone(got))
		}
	}
}

// states are those of a report's sockets, each once.
func states(report *diagnose.Report) []string {
	var all []string
	for _, socket := range report.Sockets {
		all = append(all, socket.State)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func sorted(states []netstate.State) []string {
	var all []string
	for _, state := range states {
		all = append(all, string(state))
	}
	slices.Sort(all)
	return all
}
