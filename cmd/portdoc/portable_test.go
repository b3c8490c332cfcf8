package main

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// renderers are the files that make words of a snapshot and its reports. On
// every system they write the same.
var renderers = []string{
	"check_formats.go", "check_line.go", "lines.go", "warnings.go",
	"render_attempts.go", "render_json.go", "render_junit.go", "render_sockets.go", "render_table.go", "render_tap.go", "render_text.go",
}

// TestRenderingIsPortable holds the renderers to that: nothing in them asks the
// system that they run on, its clock's zone or its paths.
func TestRenderingIsPortable(t *testing.T) {
	for _, name := range renderers {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		checkPortable(t, name, file)
		elsewhere := build.Default
		elsewhere.GOOS = "plan9"
		if match, err := elsewhere.MatchFile(".", name); err != nil || !match {
			t.Errorf("%s is not built on every system (%v)", name, err)
		}
	}
}

func checkPortable(t *testing.T, name string, file *ast.File) {
	for _, imported := range file.Imports {
		path, _ := strconv.Unquote(imported.Path.Value)
		if slices.Contains([]string{"runtime", "os", "path/filepath", "os/user", "syscall"}, path) || strings.HasPrefix(path, "golang.org/x/sys") {
			t.Errorf("%s imports %s: its text could differ between systems", name, path)
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if ok && (selector.Sel.Name == "Local" || selector.Sel.Name == "In") {
			if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == "time" {
				t.Errorf("%s uses time.%s: its text could differ between places", name, selector.Sel.Name)
			}
		}
		return true
	})
}
