//go:build linux || darwin || freebsd || openbsd

package job

import "golang.org/x/sys/unix"

const waitContinued = unix.WCONTINUED
