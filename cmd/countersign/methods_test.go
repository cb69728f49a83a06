package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Nothing that ships finds methods by their name at run time: a program that can, keeps every exported method of everything it links, which is
// a tenth of the binary. Templates do, when they are executed, and so does envconfig's list of names (but not its reading of values).
func TestNothingFindsMethodsByName(t *testing.T) {
	forbidden := []string{"text/template", "html/template"}
	root, files := filepath.Join("..", ".."), 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		positions := token.NewFileSet()
		file, err := parser.ParseFile(positions, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			if name, _ := strconv.Unquote(i.Path.Value); slices.Contains(forbidden, name) {
				t.Errorf("%s imports %s", positions.Position(i.Pos()), name)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "MethodByName" || strings.HasPrefix(f.Sel.Name, "Usage") && isPackage(f.X, "envconfig")) {
					t.Errorf("%s calls %s", positions.Position(call.Pos()), f.Sel.Name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 500 {
		t.Errorf("only %d files were read", files)
	}
}

func isPackage(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}
