package job

import (
	"syscall"
	"testing"
)

func TestBSDStatus(t *testing.T) {
	const sigstop, sigtstp = 17, 18 // of the BSDs
	tests := map[string]struct {
		status    bsdStatus
		continued bool
		stopped   syscall.Signal
	}{
		"exit 0":               {status: 0},
		"exit 19":              {status: 19 << 8},
		"exit 255":             {status: 255 << 8},
		"killed":               {status: 9},
		"dumped core":          {status: 11 | 0x80},
		"stopped by SIGSTOP":   {status: sigstop<<8 | 0x7f, stopped: sigstop},
		"stopped by SIGTSTP":   {status: sigtstp<<8 | 0x7f, stopped: sigtstp},
		"continued on FreeBSD": {status: 0x13, continued: true},
		"continued on macOS":   {status: 0x137f, continued: true},
		"continued on OpenBSD": {status: 0xffff, continued: true},
	}
	for name, test := range tests {
		signal, stopped := test.status.stopped()
		if test.status.continued() != test.continued || signal != test.stopped || stopped != (test.stopped != 0) {
			t.Errorf("%s: continued %t, stopped %t by %d", name, test.status.continued(), stopped, signal)
		}
	}
}
