package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkBesideSS times whole processes: `portdoc why PORT --json --no-probe`
// and `ss -tanp` for the same port, in turn. "ss/portdoc" is how many times as
// fast portdoc is, by medians. One iteration is 30 runs of each.
//
//	go test ./cmd/portdoc -run '^$' -bench BesideSS
func BenchmarkBesideSS(b *testing.B) {
	ss, err := exec.LookPath("ss")
	if err != nil {
		b.Skip("ss is not installed: ", err)
	}
	portdoc := filepath.Join(b.TempDir(), "portdoc")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", portdoc, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	p := newPuppet(b)
	for name, port := range map[string]string{
		"taken": portOf(p.do("listen", "127.0.0.1:0")),
		"free":  "5188",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				ours, theirs := inTurn(30,
					exec.Command(portdoc, "why", port, "--json", "--no-probe"),
					exec.Command(ss, "-tanp", "sport = :"+port))
				b.ReportMetric(float64(ours.Microseconds()), "portdoc-µs")
				b.ReportMetric(float64(theirs.Microseconds()), "ss-µs")
				b.ReportMetric(float64(theirs)/float64(ours), "ss/portdoc")
			}
		})
	}
}

// inTurn runs two commands alternately and returns their median times.
func inTurn(runs int, a, b *exec.Cmd) (medianA, medianB time.Duration) {
	var times [2][]time.Duration
	for range runs {
		for i, command := range []*exec.Cmd{a, b} {
			once := exec.Command(command.Path, command.Args[1:]...)
			start := time.Now()
			once.Run() // the exit status is the answer
			times[i] = append(times[i], time.Since(start))
		}
	}
	slices.Sort(times[0])
	slices.Sort(times[1])
	return times[0][runs/2], times[1][runs/2]
}
