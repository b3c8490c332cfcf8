package netstatetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"portdoc/netstate/netns"
)

// namespaceVariable is set in the environment of a test binary that already
// runs in a network namespace of its own.
const namespaceVariable = "PORTDOC_TEST_NAMESPACE"

// Main runs a package's tests in a private network namespace with its
// loopback up, and as an ordinary user in a user namespace, where the user
// looks like root. The test binary is started a second time for that.
func Main(m *testing.M, roles Roles) {
	roles.Run()
	os.Exit(Status(m))
}

// Status is [Main] for a package that has its own way to begin and to exit: it
// runs the tests in their namespace and returns the exit status. [Roles.Run]
// comes before it.
func Status(m *testing.M) int {
	if os.Getenv(namespaceVariable) == "" {
		return again()
	}
	if err := netns.LoopbackUp(); err != nil {
		fmt.Fprintln(os.Stderr, "loopback in the test's network namespace:", err)
		return 1
	}
	return m.Run()
}

// Ordinary tells whether the tests run for a user who is not root outside the
// tests' user namespace.
func Ordinary() bool { return os.Getenv(namespaceVariable) == "user" }

// again runs this binary in new namespaces and returns its exit status.
func again() int {
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = netns.New()
	// The signal comes when the thread ends that started the process. No
	// thread of this process does before the whole; those of tests may, so
	// netns.New leaves it out.
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL
	kind := "root"
	if command.SysProcAttr.Cloneflags&syscall.CLONE_NEWUSER != 0 {
		kind = "user"
	}
	command.Env = append(os.Environ(), namespaceVariable+"="+kind)
	err := command.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "a network namespace for the tests:", err)
		return 1
	}
	return 0
}
