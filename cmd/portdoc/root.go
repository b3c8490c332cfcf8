package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"portdoc/cmd/portdoc/internal/job"
	"portdoc/cmd/portdoc/internal/lab"
)

const rootHelp = `portdoc says why an address can't be bound and what to do about it.`

const rootExamples = `  portdoc why 5188               why is this port taken?
  portdoc why 127.0.0.1:8080     the same for one address
  portdoc why /run/app.sock      the same for a unix socket
  portdoc capture 5188 -o FILE   a snapshot for somebody else to explain`

// run carries out one command line and returns the exit status.
func run(ctx context.Context, arguments []string, c *console) int {
	root := newRoot(c, arguments)
	root.SetArgs(arguments)
	return c.finish(root.ExecuteContext(ctx))
}

// subcommands are the commands by name, in the order of the help.
var subcommands = []struct {
	name string
	make func(*console) *cobra.Command
}{
	{"why", newWhy},
	{"check", newCheck},
	{"run", newRun},
	{job.CompanionCommand, newCompanion},
	{"serve", newServe},
	{"client", newClient},
	{"lab", newLab},
	{lab.ActorCommand, newLabActor},
	{"capture", newCapture},
	{"version", newVersion},
}

// newRoot builds the command line as far as the arguments need it: of a command
// that they name it makes no other, which saves 0.1 ms of each run.
func newRoot(c *console, arguments []string) *cobra.Command {
	root := bareRoot(c)
	for _, sub := range subcommands {
		if len(arguments) > 0 && arguments[0] == sub.name {
			root.CompletionOptions.DisableDefaultCmd = true
			root.AddCommand(sub.make(c))
			return root
		}
	}
	root.Version = version()
	for _, sub := range subcommands {
		root.AddCommand(sub.make(c))
	}
	return root
}

// bareRoot is portdoc without commands. Help and usage are functions: with
// cobra's templates the linker would have to keep every method of every type.
func bareRoot(c *console) *cobra.Command {
	root := &cobra.Command{
		Use:           "portdoc",
		Short:         rootHelp,
		Example:       rootExamples,
		SilenceErrors: true,
		SilenceUsage:  true,
		// Words that differ in up to two letters are suggested.
		SuggestionsMinimumDistance: 2,
		Args:                       commandWord,
		Run:                        func(command *cobra.Command, _ []string) { printHelp(command, nil) },
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.errors)
	root.SetHelpFunc(printHelp)
	root.SetUsageFunc(func(command *cobra.Command) error { printHelp(command, nil); return nil })
	root.SetFlagErrorFunc(flagError)
	return root
}

// commandWord refuses a first word that is no command. A target there is the
// likeliest slip.
func commandWord(command *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return nil
	}
	word := arguments[0]
	examples := "portdoc why 5188, portdoc why 127.0.0.1:8080"
	if t, err := parseTarget(word); err == nil {
		examples = "portdoc why " + t.String()
	} else if near := command.SuggestionsFor(word); len(near) > 0 {
		examples = "portdoc " + near[0]
	}
	return usageError(fmt.Errorf("%s is no command", quote(word)), examples)
}

// noArguments refuses arguments of a command that takes none.
func noArguments(command *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return nil
	}
	return usageError(fmt.Errorf("%s is too much: %s takes no arguments", quote(arguments[0]), command.Name()),
		command.CommandPath())
}

// flagError says which flag was wrong and what a right command looks like.
func flagError(command *cobra.Command, err error) error {
	return usageError(errors.New(strings.ReplaceAll(err.Error(), "\n", " ")),
		fmt.Sprintf("%s; the flags: %s --help", firstExample(command), command.CommandPath()))
}

// firstExample is the first command of a command's examples.
func firstExample(command *cobra.Command) string {
	first, _, _ := strings.Cut(command.Example, "\n")
	first, _, _ = strings.Cut(strings.TrimSpace(first), "  ")
	if first == "" {
		return command.CommandPath()
	}
	return first
}

// printHelp writes the help of a command: what it does, the commonest calls,
// the flags, the exit statuses.
func printHelp(command *cobra.Command, _ []string) {
	var help strings.Builder
	help.WriteString(longOf(command) + "\n")
	section(&help, "Examples", command.Example)
	section(&help, "Usage", "  "+command.UseLine())
	section(&help, "Commands", commandList(command))
	section(&help, "Flags", strings.TrimRight(command.LocalFlags().FlagUsages(), "\n"))
	section(&help, "Exit status", command.Annotations[exitAnnotation])
	fmt.Fprint(command.OutOrStdout(), help.String())
}

// exitAnnotation is the key of a command's exit statuses in its annotations.
const exitAnnotation = "exit status"

func longOf(command *cobra.Command) string {
	if command.Long != "" {
		return strings.TrimSpace(command.Long)
	}
	return command.Short
}

// section writes a titled part of a help text, nothing if it is empty.
func section(help *strings.Builder, title, body string) {
	if body != "" {
		help.WriteString("\n" + title + ":\n" + body + "\n")
	}
}

// commandList has a line for each command below.
func commandList(command *cobra.Command) string {
	var lines []string
	for _, sub := range command.Commands() {
		if sub.IsAvailableCommand() {
			lines = append(lines, fmt.Sprintf("  %-11s %s", sub.Name(), sub.Short))
		}
	}
	return strings.Join(lines, "\n")
}
