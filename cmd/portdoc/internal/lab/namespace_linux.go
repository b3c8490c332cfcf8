package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"portdoc/netstate/netns"
)

// networkVariable is set in the environment of a portdoc that was started in a
// network of its own: which namespaces were made, a space, and the name of the
// network that it came from.
const networkVariable = "PORTDOC_LAB_NETWORK"

// The namespaces that were made.
const (
	networkOnly    = "network"
	networkAndUser = "user"
)

// networkName is how the kernel names this process's network namespace, as
// "net:[4026531840]" (namespaces(7)).
func networkName() (string, error) { return os.Readlink("/proc/self/ns/net") }

// ownNetwork tells which namespaces were made for this process, "" if it is in
// a network that others have too.
func ownNetwork() string {
	made, from, _ := strings.Cut(os.Getenv(networkVariable), " ")
	if name, err := networkName(); err != nil || name == from || !strings.HasPrefix(from, "net:[") {
		return ""
	}
	return made
}

// Enter is what to put before a command so that it runs in the network of a
// process, "" where that is everybody's.
func Enter(pid int) string {
	switch ownNetwork() {
	case networkOnly:
		return fmt.Sprintf("nsenter -n -t %d ", pid)
	case networkAndUser:
		return fmt.Sprintf("nsenter --preserve-credentials -U -n -t %d ", pid)
	}
	return ""
}

// InNetwork tells whether this process was started by [PlayInNetwork].
func InNetwork() bool { return ownNetwork() != "" }

// ephemeralPorts is the range of ports in a network of its own.
const ephemeralPorts = "40000 40003"

// SetNetworkUp makes the network of this process, which is its own, ready: the
// loopback interface is up, and the ephemeral range is four ports.
func SetNetworkUp() error {
	if err := netns.LoopbackUp(); err != nil {
		return fmt.Errorf("the loopback interface: %w", err)
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(ephemeralPorts), 0)
}

// ErrNoNetwork tells that this system gives a process no network of its own.
var ErrNoNetwork = errors.New("this system refuses a network of its own")

// PlayInNetwork runs portdoc with arguments in a new network namespace, and in
// a user namespace where this process may not do the first alone. It returns
// the exit status.
func PlayInNetwork(ctx context.Context, program string, arguments []string, out, complaints io.Writer) (int, error) {
	// The process is killed when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	command := exec.CommandContext(ctx, program, arguments...)
	command.Args[0] = "portdoc"
	command.Stdout, command.Stderr = out, complaints
	command.SysProcAttr = netns.New()
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL
	made := networkOnly
	if command.SysProcAttr.Cloneflags&syscall.CLONE_NEWUSER != 0 {
		made = networkAndUser
	}
	from, err := networkName()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNoNetwork, err)
	}
	command.Env = append(os.Environ(), networkVariable+"="+made+" "+from)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	err = command.Run()
	switch state := command.ProcessState; {
	case state != nil && state.Exited():
		return state.ExitCode(), nil // also when it was asked to end
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case state != nil:
		return 0, fmt.Errorf("portdoc in a network of its own: %w", err)
	}
	return 0, fmt.Errorf("%w: %w", ErrNoNetwork, err)
}
