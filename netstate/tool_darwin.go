package netstate

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"
)

// toolDeadline is how long a program of the system may take to answer. lsof
// can wait for a file server that does not.
const toolDeadline = 5 * time.Second

// runTool runs a program of the system, named by its whole path, and returns
// what it printed; also where it failed.
func runTool(ctx context.Context, program string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, toolDeadline)
	defer cancel()
	command := exec.CommandContext(ctx, program, arguments...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	command.WaitDelay = time.Second
	output, err := command.Output()
	if err == nil {
		return string(output), nil
	}
	failure := &toolError{program: path.Base(program), status: -1, err: err}
	if ctx.Err() != nil {
		failure.err = ctx.Err()
	} else if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		failure.status = exit.ExitCode()
		failure.complaint, _, _ = strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n")
	}
	return string(output), failure
}
