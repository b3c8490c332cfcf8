// Package trace sees each bind(2) and listen(2) that a command and all it
// starts make, and which of them fail, with the address and the options of the
// socket. It needs no privilege and does not trace with ptrace(2): debuggers
// work as ever.
//
// On Linux a seccomp filter hands these two calls to this process before they
// are made (seccomp_unotify(2)), and each is let through unchanged. What the
// socket is before and becomes after is read from a duplicate of it
// (pidfd_getfd(2), Linux 5.6). Other systems have nothing like it; [New] then
// returns [ErrUnsupported].
//
// What it can't see or prevent: calls of 32-bit and x32 programs, and binds of
// io_uring, are not announced. A process that may not be traced by its
// ancestor, or that yama(8) takes for no descendant because its parents have
// ended, is let through unseen. Programs that gain privileges by exec do not,
// unless this process has CAP_SYS_ADMIN. A connect is not watched: that would
// cost every connection, and one that finds no port can't be told from one that
// is refused. If the tracer and its [Guard] are both killed, the calls of what
// is left fail with ENOSYS.
package trace
