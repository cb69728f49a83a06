package spec_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows/spec"
)

// A configuration map of a cluster is mounted as links into a dotted folder, beside which people leave notes.
func TestAMountedFolderOfLinksLoads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "..2026_11_22")
	if err := os.CopyFS(data, org(t)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..2026_11_22", filepath.Join(dir, "..data")); err != nil {
		t.Skipf("this file system has no links: %v", err)
	}
	for _, n := range []string{"countersign.yaml", "people.yaml", "roles.yaml", "identities.yaml", "targets", "workflows", "runbooks"} {
		if err := os.Symlink(filepath.Join("..data", n), filepath.Join(dir, n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []string{"README", "README.md", ".gitignore"} {
		if err := os.WriteFile(filepath.Join(dir, n), []byte("{{{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(hashes(compiled(t, org(t))), hashes(compiled(t, os.DirFS(dir)))); diff != "" {
		t.Errorf("policies through links (-plain +links):\n%s", diff)
	}
}

func TestFoldersHaveLimits(t *testing.T) {
	t.Parallel()
	many := func(n, size int, dir, ext string) fstest.MapFS {
		f := org(t)
		for i := range n {
			f[fmt.Sprintf("%s/f%d%s", dir, i, ext)] = &fstest.MapFile{Data: []byte("# " + strings.Repeat("x", size))}
		}
		return f
	}
	for name, c := range map[string]struct {
		f    fstest.MapFS
		want string
	}{
		"files in one folder": {many(501, 1, "workflows", ".yaml"), "workflows: holds 504 files, at most 500 are read"},
		"entries":             {many(2001, 1, "runbooks", ".txt"), "runbooks: holds 2002 files, at most 2000 are looked at"},
		"bytes of all":        {many(70, 250<<10, "targets", ".yaml"), "the folder is larger than 16 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := problems(t, c.f); !strings.Contains(got, c.want) {
				t.Errorf("problems are\n%.300s\nwant\n%s", got, c.want)
			}
		})
	}
}

// failing answers one file with an error of the disk.
type failing struct {
	fs.FS
	name string
}

func (f failing) Open(name string) (fs.File, error) {
	if name == f.name {
		return nil, &fs.PathError{Op: "open", Path: "/etc/countersign/" + name, Err: errors.New("input/output error")}
	}
	return f.FS.Open(name)
}

func TestAFileThatCannotBeReadIsNotAnEmptyOne(t *testing.T) {
	t.Parallel()
	base := org(t)
	for name := range base {
		if name == "README.md" {
			continue
		}
		got := problems(t, failing{base, name})
		if want := name + ": cannot be read: input/output error"; got != want {
			t.Errorf("problems are %q, want %q", got, want)
		}
	}
}

func TestConnectorsAreThoseThatTheProgramHas(t *testing.T) {
	t.Parallel()
	_, err := spec.Load(org(t), spec.Options{})
	if err == nil || strings.Count(err.Error(), "unknown connector") != 2 {
		t.Errorf("Load without connectors answered %v", err)
	}
}
