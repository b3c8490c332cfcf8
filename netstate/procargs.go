package netstate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path"
)

// errProcessArguments means that kern.procargs2 has not the form it should.
var errProcessArguments = errors.New("the arguments are not in the form of kern.procargs2")

// parseProcessArguments decodes the value of the sysctl kern.procargs2 of macOS
// (sysctl_procargsx in xnu bsd/kern/kern_sysctl.c): the number of arguments in
// 32 bits, the path that was executed, zero bytes, and the arguments, each with
// a zero byte. The environment comes behind them and is not looked at.
//
// The path is as it was given to execve(2); executable is "" for a relative
// one. A process may have overwritten its arguments, so there may be fewer.
func parseProcessArguments(data []byte) (executable string, arguments []string, err error) {
	if len(data) < 4 {
		return "", nil, errProcessArguments
	}
	count := int32(binary.LittleEndian.Uint32(data))
	given, rest, found := bytes.Cut(data[4:], []byte{0})
	if !found || count < 0 {
		return "", nil, errProcessArguments
	}
	if path.IsAbs(string(given)) {
		executable = string(given)
	}
	rest = bytes.TrimLeft(rest, "\x00")
	for range count {
		argument, behind, found := bytes.Cut(rest, []byte{0})
		if !found {
			break
		}
		arguments, rest = append(arguments, string(argument)), behind
	}
	return executable, arguments, nil
}
