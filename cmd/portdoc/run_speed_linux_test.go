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

// callerRole makes a number of system calls with as much work between them as
// is asked for, and prints how many nanoseconds that took.
func callerRole(arguments []string) {
	calls, err := strconv.Atoi(arguments[0])
	must(err)
	work, err := strconv.Atoi(arguments[1])
	must(err)
	began := time.Now()
	for n := range calls {
		unix.Getppid()
		labour(work + n&1)
	}
	fmt.Println(time.Since(began).Nanoseconds())
}

//go:noinline
func labour(work int) (sum int) {
	for i := range work {
		sum += i * i
	}
	return sum
}

// callsOf runs a caller, under portdoc or not, and returns its time.
func callsOf(b *testing.B, before []string, calls, work int) time.Duration {
	b.Helper()
	path, err := os.Executable()
	must(err)
	words := append(slices.Clone(before), "env", "PORTDOC_TEST_ROLE=caller", path, strconv.Itoa(calls), strconv.Itoa(work))
	var n int64
	if _, err := fmt.Sscan(execute(b, words...).out, &n); err != nil {
		b.Fatal(err)
	}
	return time.Duration(n)
}

// BenchmarkRunOverhead is what run costs a program that makes 100,000 system
// calls a second, none of which is watched: the median of the differences
// between a run under portdoc and the one before it without.
func BenchmarkRunOverhead(b *testing.B) {
	const calls, probe, pace = 30_000, 20_000, 10 * time.Microsecond
	per := float64(callsOf(b, nil, 1000, probe)) / 1000 / probe // nanoseconds of one step of work
	work := int(float64(pace) / per)
	var plain, overhead []float64
	for b.Loop() {
		without := callsOf(b, nil, calls, work)
		with := callsOf(b, []string{"portdoc", "run", "--"}, calls, work)
		plain = append(plain, calls/without.Seconds())
		overhead = append(overhead, 100*(with.Seconds()/without.Seconds()-1))
	}
	b.ReportMetric(median(plain), "calls/s")
	b.ReportMetric(median(overhead), "%overhead")
}

func median(numbers []float64) float64 {
	slices.Sort(numbers)
	return numbers[len(numbers)/2]
}
