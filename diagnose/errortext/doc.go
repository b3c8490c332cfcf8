// Package errortext finds bind failures in logs and error messages of any
// runtime, server and language.
//
// It knows no products. A line is evidence when it has a reason that a bind
// gets (an errno by name, by number in the place of an errno, or by its
// sentence in one of some forty languages), or when it says in words that a
// port is taken or that something can't bind or listen on an address. The
// address, the port or the path is looked for in the same line, then in the
// lines that explain it (a dumped error object, a hint, a cause), then in what
// the program announced before ("Starting server at URL", its command line).
// Numbers count only where an address or a port is written; nothing else that
// is printed is taken for a port.
//
// One failure is reported once, however many lines of a stack trace repeat it;
// the same line printed again is a retry and is reported with Repeat counted
// up. A unix socket that may not be bound (EACCES on a path) is a matter of
// file permissions and is not reported; neither are connects, unless it was
// their own end that could not get an address (EADDRINUSE, EADDRNOTAVAIL).
//
// The package reads bytes and calls nothing of the system: no clock, no files.
package errortext
