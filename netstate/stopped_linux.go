package netstate

import (
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// stoppedFor returns for how long no thread of a stopped process has run, in
// milliseconds; 0 where that is unknown.
//
// /proc/PID/task/TID/sched tells when the scheduler last began to account a
// run of the thread, by a clock that each CPU has for itself and that leaves
// out interrupts, time stolen by a hypervisor, and suspend. So it is compared
// with the same number of a thread of ours on the same CPU. Kernels before
// 6.15 have the file only with CONFIG_SCHED_DEBUG.
func (r *processReader) stoppedFor(pid int, stat processStat) int64 {
	last, processor := r.lastRun(pid)
	if last == 0 {
		return 0
	}
	now := execStartOn(processor)
	elapsed := time.Duration((now - last) * float64(time.Millisecond))
	if now == 0 || elapsed < 0 || elapsed > time.Since(startTime(stat.started))+time.Second {
		return 0
	}
	return max(1, elapsed.Milliseconds())
}

// lastRun finds the thread of a process that ran last: when, in milliseconds,
// and where. The time is 0 where it is unknown for any thread.
func (r *processReader) lastRun(pid int) (milliseconds float64, processor int) {
	base := strconv.Itoa(pid) + "/task"
	tids, err := r.proc.numbers(base)
	if err != nil {
		return 0, 0
	}
	for _, tid := range tids {
		thread := base + "/" + strconv.Itoa(tid)
		stat, err := r.statOf(thread)
		if err != nil || exited(stat.state) {
			continue
		}
		text, err := r.proc.read(thread + "/sched")
		start, ok := parseExecStart(text)
		if err != nil || !ok {
			return 0, 0
		}
		if start > milliseconds {
			milliseconds, processor = start, stat.processor
		}
	}
	return milliseconds, processor
}

// execStartOn reads the same number for a thread of this process that runs on
// a CPU, or on any if it may not run on that one; 0 where it is unknown.
func execStartOn(processor int) float64 {
	result := make(chan float64)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this function
		if processor >= 0 {
			var set unix.CPUSet
			set.Set(processor)
			_ = unix.SchedSetaffinity(0, &set)
		}
		start, _ := parseExecStart(readFile("/proc/thread-self/sched"))
		result <- start
	}()
	return <-result
}
