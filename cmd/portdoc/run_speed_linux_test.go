package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	roles["caller"] = callerRole
}

// callerRole makes a number of system calls and prints how many nanoseconds
// that took.
func callerRole(arguments []string) {
	calls, err := strconv.Atoi(arguments[0])
	must(err)
	began := time.Now()
	for range calls {
		unix.Getppid()
	}
	fmt.Println(time.Since(began).Nanoseconds())
}

// nanosecondsPerCall runs a caller behind some words.
func nanosecondsPerCall(b *testing.B, before ...string) float64 {
	b.Helper()
	const calls = 500_000
	path, err := os.Executable()
	must(err)
	words := append(before, "env", "PORTDOC_TEST_ROLE=caller", path, strconv.Itoa(calls))
	var n float64
	if _, err := fmt.Sscan(execute(b, words...).out, &n); err != nil {
		b.Fatal(err)
	}
	return n / calls
}

// BenchmarkRunOverhead is what run costs a program per system call that is not
// watched, and what part that is of the time of one that makes 100,000 a
// second: the median of the differences between a run under portdoc and the one
// before it without. A program that does make so few spends more time on
// another thing than on calls, and what varies in that hides the difference.
func BenchmarkRunOverhead(b *testing.B) {
	var plain, more []float64
	for b.Loop() {
		without := nanosecondsPerCall(b)
		with := nanosecondsPerCall(b, "portdoc", "run", "--")
		plain, more = append(plain, without), append(more, with-without)
	}
	b.ReportMetric(median(plain), "ns/call")
	b.ReportMetric(median(more), "ns-more/call")
	b.ReportMetric(100*median(more)*100_000/1e9, "%of-100000-calls/s")
}

func median(numbers []float64) float64 {
	slices.Sort(numbers)
	return numbers[len(numbers)/2]
}
