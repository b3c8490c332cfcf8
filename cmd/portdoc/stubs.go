package main

import (
	"context"
	"time"
)

func writeGitHub(c *console, results []checked, took time.Duration) error { return nil }
func writeJUnit(c *console, results []checked, took time.Duration) error  { return nil }
func writeTAP(c *console, results []checked, took time.Duration) error    { return nil }
func targetsFrom(ctx context.Context, c *console, file string) ([]written, error) {
	return nil, nil
}
