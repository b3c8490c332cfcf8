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
package trace
