// Package lab makes the states that keep a port taken, on purpose: each
// [Experiment] is a list of steps that real child processes carry out. [Play]
// starts them, looks at the port after each step, checks what the program says
// about it in the end, and cleans up whatever happens.
package lab
