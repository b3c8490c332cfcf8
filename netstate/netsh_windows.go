package netstate

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// netshLimit is how long a netsh may take.
const netshLimit = 5 * time.Second

// netsh runs the system's program for what no call tells, without a window.
func (windowsCalls) netsh(ctx context.Context, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, netshLimit)
	defer cancel()
	directory, err := windows.GetSystemDirectory()
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, filepath.Join(directory, "netsh.exe"), arguments...)
	command.SysProcAttr = &windows.SysProcAttr{HideWindow: true}
	command.WaitDelay = time.Second
	text, err := command.Output()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("netsh %s: %w", strings.Join(arguments, " "), ctx.Err())
	case err != nil:
		return "", fmt.Errorf("netsh %s: %w", strings.Join(arguments, " "), err)
	}
	return string(text), nil
}

// portProxyKinds are the keys under PortProxy in the registry: the family to
// listen on, and that to connect to.
var portProxyKinds = []string{"v4tov4", "v4tov6", "v6tov4", "v6tov6"}

// portProxy reads the rules where the service that carries them out does.
func (windowsCalls) portProxy() ([]PortForward, error) {
	var rules []PortForward
	for _, kind := range portProxyKinds {
		path := `SYSTEM\CurrentControlSet\Services\PortProxy\` + kind + `\tcp`
		key, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.QUERY_VALUE)
		if errors.Is(err, registry.ErrNotExist) || errors.Is(err, windows.ERROR_PATH_NOT_FOUND) {
			continue
		}
		if err != nil {
			return nil, err
		}
		part, err := portProxyValues(kind, key)
		key.Close()
		if err != nil {
			return nil, err
		}
		rules = append(rules, part...)
	}
	return rules, nil
}

func portProxyValues(kind string, key registry.Key) ([]PortForward, error) {
	names, err := key.ReadValueNames(0)
	if err != nil {
		return nil, err
	}
	var rules []PortForward
	for _, name := range names {
		value, _, err := key.GetStringValue(name)
		if err != nil {
			return nil, err
		}
		rule, err := parsePortProxy(kind, name, value)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}
