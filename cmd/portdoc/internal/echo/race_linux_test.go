//go:build race

package echo

func init() { raceDetector = true }
