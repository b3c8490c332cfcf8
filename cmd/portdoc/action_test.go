package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestAction runs the last step of action.yml as a runner does: by bash, with
// the inputs as variables.
func TestAction(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("a GitHub runner has bash, this machine has not: ", err)
	}
	text, err := os.ReadFile("../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var action struct {
		Inputs map[string]struct{ Default string }
		Runs   struct {
			Steps []struct {
				Run string
				Env map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &action); err != nil {
		t.Fatal(err)
	}
	step := action.Runs.Steps[len(action.Runs.Steps)-1]
	temporary := t.TempDir()
	program, err := exec.LookPath("portdoc")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(temporary, "portdoc")); err != nil {
		t.Fatal(err)
	}
	run := func(inputs map[string]string) string {
		command := exec.Command(bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run)
		command.Dir = temporary
		command.Env = append(os.Environ(), "RUNNER_TEMP="+temporary, "GITHUB_STEP_SUMMARY=")
		for variable, expression := range step.Env {
			name := strings.TrimSuffix(strings.TrimPrefix(expression, "${{ inputs."), " }}")
			input, declared := action.Inputs[name]
			if !declared {
				t.Errorf("%s takes %q, which is no input", variable, expression)
			}
			value, given := inputs[name]
			if !given {
				value = input.Default
			}
			command.Env = append(command.Env, variable+"="+value)
		}
		out, _ := command.CombinedOutput()
		return string(out)
	}
	write(t, filepath.Join(temporary, "ports.txt"), "8112 web\n")
	if got, want := run(map[string]string{"targets": "8113\n8114/udp $(id) *", "from": "ports.txt", "wait": "1s"}),
		"portdoc: \"$(id)\" is no port: ports go from 0 to 65535 (for example: portdoc check 5188, portdoc check 8000-8010)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := run(map[string]string{"targets": "8113\n8114/udp", "from": "ports.txt", "wait": "1s"}),
		"8113/tcp  free\n8114/udp  free\n8112/tcp  free  web (ports.txt)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := run(map[string]string{"targets": "8113", "format": "tap", "output": "out.tap"}); got != "" {
		t.Errorf("the log has %q", got)
	}
	if got, err := os.ReadFile(filepath.Join(temporary, "out.tap")); err != nil || string(got) != "TAP version 14\n1..1\nok 1 - 8113/tcp\n" {
		t.Errorf("%v, the file has %q", err, got)
	}
	if got := run(map[string]string{"targets": "--help"}); !strings.HasPrefix(got, "portdoc: ") {
		t.Errorf("a target was taken for a flag: %q", got)
	}
}
