package trace

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portdoc/netstate/netstatetest"
)

func TestMain(m *testing.M) {
	netstatetest.Main(m, netstatetest.Roles{
		"again-and-again": againAndAgain, "threads": threads, "listeners": listeners, "unprivileged": unprivileged,
		"cramped": cramped, "connector": connector, "connect-loop": connectLoop,
	})
}

// recorder collects what a tracer tells.
type recorder struct {
	mutex  sync.Mutex
	failed []Call
	fine   []Call
	blind  []error
}

func (r *recorder) handler() Handler {
	return Handler{
		Held: func(*Call) {},
		Ended: func(call *Call, failed bool) {
			r.mutex.Lock()
			defer r.mutex.Unlock()
			if failed {
				r.failed = append(r.failed, *call)
			} else {
				r.fine = append(r.fine, *call)
			}
		},
		Blind: func(err error) {
			r.mutex.Lock()
			defer r.mutex.Unlock()
			r.blind = append(r.blind, err)
		},
	}
}

// traced runs this test binary in a role under a tracer.
func traced(t *testing.T, role string, arguments ...string) (*recorder, string) {
	t.Helper()
	r := new(recorder)
	tracer, err := New(r.handler())
	if err != nil {
		t.Fatal(err)
	}
	defer tracer.Close()
	command := netstatetest.Command(role, arguments...)
	var output strings.Builder
	command.Stdout = &output
	if err := tracer.Start(command.Start); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", role, err, output.String())
	}
	tracer.Finish(time.Minute)
	if len(r.blind) > 0 {
		t.Error(r.blind)
	}
	return r, output.String()
}

func tcpSocket() int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	return fd
}

func loopback(port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}
}

// freePort binds a port and gives it back.
func freePort() int {
	fd := tcpSocket()
	defer unix.Close(fd)
	if err := unix.Bind(fd, loopback(0)); err != nil {
		panic(err)
	}
	address, _ := unix.Getsockname(fd)
	return address.(*unix.SockaddrInet4).Port
}

const rounds = 300

// againAndAgain binds one address, closes it and binds it again at once, as
// programs do that look for a free port. Nothing else has it, so any failure
// comes from being watched.
func againAndAgain([]string) {
	port := freePort()
	for i := range rounds {
		fd := tcpSocket()
		if err := unix.Bind(fd, loopback(port)); err != nil {
			fmt.Printf("round %d: %v\n", i, err)
			os.Exit(1)
		}
		unix.Close(fd)
	}
}

// TestHarmless: a duplicate of a socket keeps its address taken, which the
// program must not notice.
func TestHarmless(t *testing.T) {
	r, _ := traced(t, "again-and-again")
	if len(r.failed) != 0 || len(r.fine) != rounds+1 {
		t.Errorf("%d failures and %d successes, want none and %d", len(r.failed), len(r.fine), rounds+1)
	}
}

// threads binds from several threads at once: each binds its own port and
// then, with another socket, the taken one. It closes at once.
func threads(arguments []string) {
	taken, err := strconv.Atoi(arguments[0])
	if err != nil {
		panic(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 40 {
				own, other := tcpSocket(), tcpSocket()
				if unix.Bind(own, loopback(0)) != nil || unix.Bind(other, loopback(taken)) != unix.EADDRINUSE {
					os.Exit(1)
				}
				unix.Close(own)
				unix.Close(other)
			}
		})
	}
	all.Wait()
}

// TestOutcomes: each call is told once, with the right outcome, also when many
// threads call and close at once.
func TestOutcomes(t *testing.T) {
	holder := tcpSocket()
	defer unix.Close(holder)
	if err := unix.Bind(holder, loopback(0)); err != nil {
		t.Fatal(err)
	}
	address, _ := unix.Getsockname(holder)
	port := address.(*unix.SockaddrInet4).Port
	r, _ := traced(t, "threads", strconv.Itoa(port))
	if len(r.failed) != 320 || len(r.fine) != 320 {
		t.Errorf("%d failures and %d successes, want 320 each", len(r.failed), len(r.fine))
	}
	for _, call := range r.failed {
		if int(call.Local.Port()) != port || call.Op != Bind || call.Network != "tcp" {
			t.Fatalf("failed call %+v, want a bind of port %d", call, port)
		}
	}
}

// listeners binds two sockets with SO_REUSEADDR to one address: the second
// listen fails.
func listeners([]string) {
	port := freePort()
	sockets := []int{tcpSocket(), tcpSocket()}
	for _, fd := range sockets {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		if err := unix.Bind(fd, loopback(port)); err != nil {
			panic(err)
		}
	}
	if unix.Listen(sockets[0], 1) != nil || unix.Listen(sockets[1], 1) != unix.EADDRINUSE {
		os.Exit(1)
	}
	fmt.Println(port)
}

func TestListen(t *testing.T) {
	r, output := traced(t, "listeners")
	if len(r.failed) != 1 || r.failed[0].Op != Listen || !r.failed[0].ReuseAddr ||
		strconv.Itoa(int(r.failed[0].Local.Port())) != strings.TrimSpace(output) {
		t.Errorf("failed %+v, want the second listen on %s", r.failed, output)
	}
	if listened := slices.ContainsFunc(r.fine, func(c Call) bool { return c.Op == Listen }); !listened {
		t.Errorf("successes %+v, want the first listen among them", r.fine)
	}
}

// TestUnsupported: a process whose calls are watched already can't watch.
func TestUnsupported(t *testing.T) {
	r := new(recorder)
	tracer, err := New(r.handler())
	if err != nil {
		t.Fatal(err)
	}
	defer tracer.Close()
	if err := tracer.Start(func() error { _, err := install(); return err }); err == nil || !strings.Contains(err.Error(), ErrUnsupported.Error()) {
		t.Errorf("a second filter: %v, want %v", err, ErrUnsupported)
	}
}

// unprivileged watches as a user without any privilege.
func unprivileged([]string) {
	if err := syscall.Setuid(65534); err != nil {
		panic(err)
	}
	tracer, err := New((&recorder{}).handler())
	if err != nil {
		panic(err)
	}
	command := exec.Command("grep", "NoNewPrivs", "/proc/self/status")
	command.Stdout = os.Stdout
	if err := tracer.Start(command.Run); err != nil {
		panic(err)
	}
}

// TestUnprivileged: without root the command gives up gaining privileges, and
// this process does not.
func TestUnprivileged(t *testing.T) {
	if netstatetest.Ordinary() {
		t.Skip("only root can become a user without privileges here")
	}
	_, line := netstatetest.Start(t, "unprivileged")
	if line != "NoNewPrivs:\t1" {
		t.Errorf("the command has %q", line)
	}
	text, err := os.ReadFile("/proc/self/status")
	if err != nil || !strings.Contains(string(text), "NoNewPrivs:\t0\n") {
		t.Errorf("this process: %v\n%s", err, text)
	}
}

// TestGuard: a call of a process that outlives its tracer is let through.
func TestGuard(t *testing.T) {
	r := new(recorder)
	tracer, err := New(r.handler())
	if err != nil {
		t.Fatal(err)
	}
	files := tracer.Files()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	guarded := make(chan struct{})
	go func() { Guard(files, os.NewFile(uintptr(pair[1]), "tracer")); close(guarded) }()
	command := netstatetest.Command("again-and-again")
	if err := tracer.Start(command.Start); err != nil {
		t.Fatal(err)
	}
	tracer.Close()
	unix.Close(pair[0])
	if err := command.Wait(); err != nil {
		t.Errorf("without its tracer the program ended with %v", err)
	}
	<-guarded
}

// BenchmarkOtherCall is a call that is not watched, of a process that is.
func BenchmarkOtherCall(b *testing.B) {
	for b.Loop() {
		unix.Getppid()
	}
}

// BenchmarkBind is a bind of a process that is watched, with all that is read.
func BenchmarkBind(b *testing.B) {
	tracer, err := New((&recorder{}).handler())
	if err != nil {
		b.Fatal(err)
	}
	defer tracer.Close()
	port := freePort()
	done := tracer.Start(func() error {
		for b.Loop() {
			fd := tcpSocket()
			if err := unix.Bind(fd, loopback(port)); err != nil {
				return err
			}
			unix.Close(fd)
		}
		return nil
	})
	if done != nil {
		b.Error(done)
	}
}
