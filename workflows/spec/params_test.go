package spec_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/countersign-bot/countersign/workflows/library"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// TestLoad_ParamsOfConnectors: a parameter that the connector does not know, or lacks, is refused at load and not when access is due.
func TestLoad_ParamsOfConnectors(t *testing.T) {
	opts := spec.Options{
		Connectors: []string{"postgres", "sshca"},
		Params:     map[string]spec.Params{"sshca": {Known: []string{"principals", "extensions", "host"}, Needed: []string{"principals"}}},
	}
	if _, err := spec.Load(library.FS(), opts); err != nil {
		t.Fatalf("the start folder is refused: %v", err)
	}
	files := fstest.MapFS{}
	if err := copyInto(files, library.FS()); err != nil {
		t.Fatal(err)
	}
	good := string(files["targets/bastion.yaml"].Data)
	bad := strings.Replace(good, "principals:", "principal:", 1)
	if bad == good {
		t.Fatal("the start folder's bastion names no principals")
	}
	files["targets/bastion.yaml"] = &fstest.MapFile{Data: []byte(bad)}
	_, err := spec.Load(files, opts)
	if err == nil {
		t.Fatal("a misspelt parameter was taken")
	}
	for _, want := range []string{"targets/bastion.yaml:", `sshca knows no parameter "principal"`, `did you mean "principals"?`, `needs the parameter "principals"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

func copyInto(to fstest.MapFS, from fs.FS) error {
	return fs.WalkDir(from, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(from, path)
		to[path] = &fstest.MapFile{Data: b}
		return err
	})
}
