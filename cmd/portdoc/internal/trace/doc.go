// Package trace sees each bind(2) and listen(2) that a command and all it
// starts make, and which of them fail, with the address and the options of the
// socket; and each connect(2) of TCP that fails because there is no source port
// or source address (EADDRNOTAVAIL). It needs no privilege and does not trace
// with ptrace(2): debuggers work as ever.
//
// On Linux a seccomp filter hands these calls to this process before they are
// made (seccomp_unotify(2)), and each is let through unchanged. What the socket
// is before and becomes after is read from a duplicate of it (pidfd_getfd(2),
// Linux 5.6); connects are watched from Linux 5.19 on. Other systems have
// nothing like it; [New] then returns [ErrUnsupported].
//
// What it can't see or prevent: calls of 32-bit and x32 programs, and those of
// io_uring, are not announced. A process that may not be traced by its
// ancestor, or that yama(8) takes for no descendant because its parents have
// ended, is let through unseen. Programs that gain privileges by exec do not,
// unless this process has CAP_SYS_ADMIN. A connect is let through unseen if its
// socket has a port, be it one that an earlier attempt left behind, or is in
// another network namespace. If the tracer and its [Guard] are both killed, the
// calls of what is left fail with ENOSYS.
//
// A watched call costs two switches of processes and some system calls here:
// some 40 microseconds for a connect, and three or four times that for a bind.
// A signal that arrives in the few microseconds until this process has taken
// the call interrupts it: where its handler was set without SA_RESTART, the
// program sees EINTR of a call that has not begun.
package trace
