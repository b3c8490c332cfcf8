package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is the version that the linker was told (-X main.release=v1.2.3).
var release string

// version is the program's version: the release, else the module's version
// that the go command recorded, else "(devel)".
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func newVersion(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of portdoc",
		Args:  noArguments,
		Run: func(*cobra.Command, []string) {
			fmt.Fprintf(c.out, "portdoc %s %s/%s %s\n", version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
		},
	}
}
