package store_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// made are the questions that are put together of more than constants, by file and by what is put in, and why nothing of it comes from outside.
func made() map[string]string {
	const fixed = "a condition that the callers write out: each of them is looked at below"
	return map[string]string{
		"depth.go: strconv.Itoa()":       "a number of the program",
		"directory.go: where":            fixed,
		"erase.go: where":                fixed,
		"outlet.go: where":               fixed,
		"reads.go: where":                fixed,
		"writer.go: text":                fixed,
		"erase.go: within":               "one of two conditions, by engine",
		"erase.go: b.openingsOfPerson()": "written out there",
		"erase.go: b.within()":           "of a column that the callers write out: looked at below",
		"erase.go: table":                "of a list that is written out there",
		"inventory.go: w.arg()":          "the place of an argument: $1, $2 …",
		"inventory.go: filters":          "conditions of the program, with places of arguments",
		"inventory.go: text":             "conditions of the program, with places of arguments; one of two, by engine",
		"inventory.go: before":           "written out by the callers, in the same file",
		"inventory.go: after":            "written out by the callers, in the same file",
		"inventory.go: at":               "the place of an argument",
		"inventory.go: from":             "the place of an argument",
		"inventory.go: to":               "the place of an argument",
		"sqlite.go: w.name":              "a setting's name, of a list that is written out there",
	}
}

// passed are the functions whose first text is SQL of their callers.
func passed() []string {
	return []string{"accounts", "account", "people", "person", "outlets", "jobStatus", "inUse", "within", "insertID"}
}

// TestThreat_T29_NoQuestionIsMadeOfWhatSomebodySaid reads every piece of SQL in the programs: what is joined to it, or printed into it, is a constant of the
// program. The few places that choose between words of their own are named, with the reason (what gosec asks as G201 and G202). The first argument of a call
// that runs SQL is a constant, too, or a variable that only such places fill.
func TestThreat_T29_NoQuestionIsMadeOfWhatSomebodySaid(t *testing.T) {
	t.Parallel()
	sql := regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|VACUUM|PRAGMA|ATTACH|WITH|EXPLAIN|TRUNCATE)\s|\s(FROM|WHERE|VALUES|ORDER BY|RETURNING|AND|LIMIT)\s`)
	found, constants := map[string]bool{}, map[string]bool{}
	read, calls := 0, 0
	every(t, []string{"*.go"}, func(_ *token.FileSet, _ string, file *ast.File) {
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				for _, spec := range g.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						constants[name.Name] = true
					}
				}
			}
		}
	})
	constant := func(x ast.Expr) bool {
		for _, p := range leaves(x) {
			id, named := p.(*ast.Ident)
			if _, lit := p.(*ast.BasicLit); !lit && (!named || !constants[id.Name] && (id.Obj == nil || id.Obj.Kind != ast.Con)) {
				return false
			}
		}
		return true
	}
	every(t, []string{"*.go", "*/*.go", "../cmd/countersign/*.go"}, func(fset *token.FileSet, name string, file *ast.File) {
		read++
		ast.Inspect(file, func(n ast.Node) bool {
			var parts []ast.Expr
			switch x := n.(type) {
			case *ast.BinaryExpr:
				if x.Op == token.ADD {
					parts = leaves(x)
				}
			case *ast.CallExpr:
				called := text(x.Fun)
				called = called[strings.LastIndexByte(called, '.')+1:]
				if called == "Sprintf" || called == "Fprintf" {
					parts = x.Args
				}
				if slices.Contains(passed(), called) && file.Name.Name == "store" {
					calls++
					for _, a := range x.Args {
						if id, ok := a.(*ast.Ident); constant(a) || ok && (id.Name == "where" || id.Name == "text") {
							return true
						}
					}
					t.Errorf("%s: %s is called with SQL that is not written out", fset.Position(x.Pos()), called)
				}
			}
			if !slices.ContainsFunc(parts, func(p ast.Expr) bool {
				lit, ok := p.(*ast.BasicLit)
				return ok && lit.Kind == token.STRING && sql.MatchString(strings.Trim(lit.Value, "`\""))
			}) {
				return true
			}
			for _, p := range parts {
				key := name + ": " + text(p)
				if constant(p) {
					continue
				}
				if found[key] = true; made()[key] == "" {
					t.Errorf("%s: %s is put into SQL: give it as an argument, or say in this test why it is no text from outside", fset.Position(p.Pos()), text(p))
				}
			}
			return true
		})
	})
	for key := range made() {
		if !found[key] {
			t.Errorf("%s is in the list and nowhere else", key)
		}
	}
	if read < 50 {
		t.Errorf("only %d files were read", read)
	}
	if calls < 10 {
		t.Errorf("only %d calls were looked at", calls)
	}
}

// every parses the sources that some patterns name; tests, and what tests are made of, are left out.
func every(t *testing.T, globs []string, f func(fset *token.FileSet, name string, file *ast.File)) {
	t.Helper()
	for _, glob := range globs {
		files, err := filepath.Glob(glob)
		if err != nil || len(files) == 0 {
			t.Fatal(glob, err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "storetest/") {
				continue
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			f(fset, filepath.Base(path), file)
		}
	}
}

// leaves are the operands of a chain of additions.
func leaves(x ast.Expr) []ast.Expr {
	if b, ok := x.(*ast.BinaryExpr); ok && b.Op == token.ADD {
		return append(leaves(b.X), leaves(b.Y)...)
	}
	if p, ok := x.(*ast.ParenExpr); ok {
		return leaves(p.X)
	}
	return []ast.Expr{x}
}

func text(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return text(x.X) + "." + x.Sel.Name
	case *ast.CallExpr:
		return text(x.Fun) + "()"
	case *ast.IndexExpr:
		return text(x.X) + "[]"
	}
	return "an expression"
}
