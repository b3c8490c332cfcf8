// Package netstatetest helps tests to make real network conditions: [Main]
// gives a test binary a network namespace of its own, and [Start] runs the
// same binary again as another process, in a role that the test registered.
package netstatetest
