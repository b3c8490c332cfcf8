package diagnose_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowedImports are the packages with which diagnose can't look at the
// machine that it runs on. Of package time only types and arithmetic are
// allowed; see clockFunctions.
var allowedImports = []string{
	"bytes", "cmp", "encoding/json", "errors", "fmt", "maps", "math", "net/netip", "regexp", "slices", "sort", "strconv",
	"strings", "time", "unicode", "unicode/utf8", "iter", "path",
	"portdoc/netstate",
}

// clockFunctions are those of package time that ask or wait for the clock, or
// for the machine's time zone.
var clockFunctions = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Sleep", "Local", "LoadLocation"}

// printers write to the standard output.
var printers = []string{"Print", "Printf", "Println"}

// netstateFunctions are those of netstate that read the machine.
var netstateFunctions = []string{"Read", "Probe"}

// TestPurity: diagnose is made of functions of their arguments.
func TestPurity(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	checked := 0
	for _, file := range files {
		name := file.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		checked++
		checkImports(t, name, parsed)
		checkUses(t, set, parsed)
		elsewhere := build.Default
		elsewhere.GOOS = "plan9"
		if match, err := elsewhere.MatchFile(".", name); err != nil || !match {
			t.Errorf("%s is not built on every system (%v)", name, err)
		}
	}
	if checked == 0 {
		t.Error("no file was checked")
	}
}

func checkImports(t *testing.T, name string, file *ast.File) {
	for _, imported := range file.Imports {
		path, err := strconv.Unquote(imported.Path.Value)
		if err != nil || !slices.Contains(allowedImports, path) {
			t.Errorf("%s imports %s, which package diagnose may not", name, imported.Path.Value)
		}
		if imported.Name != nil {
			t.Errorf("%s renames %s, which hides its uses from this test", name, path)
		}
	}
}

func checkUses(t *testing.T, set *token.FileSet, file *ast.File) {
	forbidden := map[string][]string{"time": clockFunctions, "fmt": printers, "netstate": netstateFunctions}
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Obj == nil && slices.Contains(forbidden[pkg.Name], selector.Sel.Name) {
			t.Errorf("%s: %s.%s is not pure", set.Position(selector.Pos()), pkg.Name, selector.Sel.Name)
		}
		return true
	})
}
