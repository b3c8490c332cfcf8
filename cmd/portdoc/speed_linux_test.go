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
// A program is measured as it is installed, ss by a package, portdoc by copying
// it. Go's linker writes its output through a mapping of the file, a page at a
// time, and Linux then keeps each page of it by itself: such a program takes
// 0.8 ms more of 4.5 to map and unmap them at every run, until it is copied.
//
//	go test ./cmd/portdoc -run '^$' -bench BesideSS
func BenchmarkBesideSS(b *testing.B) {
	ss, err := exec.LookPath("ss")
	if err != nil {
		b.Skip("ss is not installed: ", err)
	}
	linked := linkedProgram(b)
	portdoc := installed(b, linked)
	p := newPuppet(b)
	taken := portOf(p.do("listen", "127.0.0.1:0"))
	for _, c := range []struct{ name, program, port string }{
		{"taken", portdoc, taken},
		{"free", portdoc, "5188"},
		{"taken, as linked", linked, taken},
	} {
		b.Run(c.name, func(b *testing.B) {
			ours, theirs := inTurn(b,
				exec.Command(c.program, "why", c.port, "--json", "--no-probe"),
				exec.Command(ss, "-tanp", "sport = :"+c.port))
			b.ReportMetric(float64(ours.Microseconds()), "portdoc-µs")
			b.ReportMetric(float64(theirs.Microseconds()), "ss-µs")
			b.ReportMetric(float64(theirs)/float64(ours), "ss/portdoc")
		})
	}
}

// BenchmarkCheckThousand times whole processes: a check of 1,000 free ports and
// of one, in turn. "1000/1" is how many times as long the first takes, by
// medians. One iteration is 30 runs of each.
func BenchmarkCheckThousand(b *testing.B) {
	portdoc := installed(b, linkedProgram(b))
	all, one := inTurn(b, exec.Command(portdoc, "check", "20000-20999"), exec.Command(portdoc, "check", "20000"))
	b.ReportMetric(float64(all.Microseconds()), "1000-µs")
	b.ReportMetric(float64(one.Microseconds()), "1-µs")
	b.ReportMetric(float64(all)/float64(one), "1000/1")
}

// linkedProgram builds portdoc as it is released.
func linkedProgram(b *testing.B) string {
	name := filepath.Join(b.TempDir(), "portdoc")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", name, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return name
}

// installed copies a program as an installer does, in large pieces.
func installed(b *testing.B, program string) string {
	text, err := os.ReadFile(program)
	if err != nil {
		b.Fatal(err)
	}
	name := program + "-installed"
	if err := os.WriteFile(name, text, 0o755); err != nil {
		b.Fatal(err)
	}
	return name
}

// inTurn runs two commands alternately, 30 times in an iteration, and returns
// their median times.
func inTurn(b *testing.B, first, second *exec.Cmd) (medianFirst, medianSecond time.Duration) {
	const runs = 30
	var times [2][]time.Duration
	for b.Loop() {
		for range runs {
			for i, command := range []*exec.Cmd{first, second} {
				once := exec.Command(command.Path, command.Args[1:]...)
				start := time.Now()
				once.Run() // the exit status is the answer
				times[i] = append(times[i], time.Since(start))
			}
		}
	}
	slices.Sort(times[0])
	slices.Sort(times[1])
	return times[0][len(times[0])/2], times[1][len(times[1])/2]
}
