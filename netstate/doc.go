// Package netstate reads what one machine says about its sockets: who holds a
// port or a unix socket, in which state, for how long, and what the system
// lets a program bind.
//
// The result is a [Snapshot], plain data that can be written to a file and
// explained on another machine. The package knows kernels and gives no advice:
// what a fact means, and what to do about it, is package diagnose's part.
//
// What could not be read is a [Limit] in the snapshot. A reader of a snapshot
// must never take a missing row for a free port without looking at the limits.
package netstate
