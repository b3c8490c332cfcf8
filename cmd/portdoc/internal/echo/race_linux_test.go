//go:build race

package echo

// The race detector makes everything ten times as slow.
func init() {
	raceDetector = true
	*manyClients, *lineBytes = 1000, 16<<20
}
