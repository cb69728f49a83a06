package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/modfile"
)

// TestDependenciesHaveReasons holds that every direct dependency says in go.mod why it is there.
func TestDependenciesHaveReasons(t *testing.T) {
	path := filepath.Join(root(t), "go.mod")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := modfile.Parse(path, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	direct := 0
	for _, r := range f.Require {
		if r.Indirect {
			continue
		}
		direct++
		if len(r.Syntax.Suffix) == 0 {
			t.Errorf("%s has no reason behind it", r.Mod.Path)
		}
	}
	if direct < 10 {
		t.Fatalf("found %d direct dependencies only", direct)
	}
}
