package netstate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"
)

// toolDeadline is how long a program of the system may take to answer. lsof
// can wait for a file server that does not.
const toolDeadline = 5 * time.Second

// toolOutput runs a program of the system, which is named by its whole path,
// and returns what it printed; also where it failed.
func toolOutput(ctx context.Context, program string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, toolDeadline)
	defer cancel()
	command := exec.CommandContext(ctx, program, arguments...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	command.WaitDelay = time.Second
	output, err := command.Output()
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("%s did not finish in time: %w", path.Base(program), ctx.Err())
	case err != nil:
		err = fmt.Errorf("%s: %w%s", path.Base(program), err, complaint(err))
	}
	return string(output), err
}

// complaint is the first line of what a failed program wrote to standard error.
func complaint(err error) string {
	failed, ok := errors.AsType[*exec.ExitError](err)
	if !ok || len(failed.Stderr) == 0 {
		return ""
	}
	line, _, _ := strings.Cut(string(failed.Stderr), "\n")
	return ": " + line
}

// foundNothing tells whether lsof ended with the status 1 without a complaint:
// something that it looked for, which may be all of it, is not there.
func foundNothing(err error) bool {
	failed, ok := errors.AsType[*exec.ExitError](err)
	return ok && failed.ExitCode() == 1 && len(failed.Stderr) == 0
}
