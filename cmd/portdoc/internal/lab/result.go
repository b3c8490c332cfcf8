package lab

import "portdoc/diagnose"

// Schema is the value of [Result.Schema].
const Schema = "portdoc.lab/v1"

// Result is how an experiment went.
type Result struct {
	Schema     string `json:"schema"`
	Experiment string `json:"experiment"`
	// Target is what the report is about; Port is 0 where it has none.
	Target string       `json:"target"`
	Port   uint16       `json:"port"`
	Steps  []StepResult `json:"steps"`
	// Report is nil if the experiment did not come as far.
	Report          *diagnose.Report `json:"report"`
	ExpectedCause   diagnose.CauseID `json:"expected_cause"`
	ExpectedVerdict diagnose.Verdict `json:"expected_verdict"`
	OK              bool             `json:"ok"`
	// Problem says what this machine did instead, "" if OK.
	Problem string `json:"problem"`
}

// StepResult is what a step brought.
type StepResult struct {
	Does string `json:"does"`
	// Said are the lines that the processes printed, each after the name of
	// its process.
	Said []string `json:"said"`
	// Sockets are those on the port afterwards.
	Sockets []diagnose.Socket `json:"sockets"`
}

// Audience is told what happens while it happens.
type Audience interface {
	// StepBegins comes before the step is done, StepEnds when it is. The
	// report is nil where nobody looked.
	StepBegins(number int, does string)
	StepEnds(step *StepResult, report *diagnose.Report)
	// Explained comes with the report about the target.
	Explained(target string, report *diagnose.Report)
	// Kept comes before the state is kept until the end is asked for.
	Kept(target string, pids []int)
}

// nobody is the audience where there is none.
type nobody struct{}

func (nobody) StepBegins(int, string)                 {}
func (nobody) StepEnds(*StepResult, *diagnose.Report) {}
func (nobody) Explained(string, *diagnose.Report)     {}
func (nobody) Kept(string, []int)                     {}
