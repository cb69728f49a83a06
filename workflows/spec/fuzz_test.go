package spec_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// FuzzLoad puts arbitrary bytes in the place of each file. Load must answer with a folder or with problems that point
// into the text, never with a panic, and a folder that it accepts must compile.
func FuzzLoad(f *testing.F) {
	base := company(f)
	var names []string
	for n, file := range base {
		names = append(names, n)
		f.Add(n, file.Data)
	}
	fixtures, err := filepath.Glob(filepath.Join(brokenDir, "*.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range fixtures {
		a, err := txtar.ParseFile(n)
		if err != nil {
			f.Fatal(err)
		}
		for _, s := range a.Files {
			if !strings.HasSuffix(s.Name, ".edit") && s.Name != "want" {
				f.Add(s.Name, s.Data)
			}
		}
	}
	f.Add("roles.yaml", []byte(strings.Repeat("[", 3000)))
	f.Add("roles.yaml", []byte("a:\n- b:\n  - c: {d: [e, {f: g}]}\n"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		fsys := fstest.MapFS{}
		for _, n := range names {
			fsys[n] = base[n]
		}
		if _, known := base[name]; !known {
			name = "roles.yaml"
		}
		fsys[name] = &fstest.MapFile{Data: data, Mode: 0o644}
		folder, err := spec.Load(fsys, connectors())
		if err == nil {
			if _, err := folder.Compile(func(k string) workflows.PersonID { return workflows.PersonID("p_" + k) }); err != nil {
				t.Fatalf("accepted, but does not compile: %v", err)
			}
			return
		}
		var p *spec.Problems
		if !errors.As(err, &p) || len(p.List) == 0 || len(p.List) > 100 {
			t.Fatalf("Load answered %T %v", err, err)
		}
		for _, x := range p.List {
			if x.Text == "" || x.File == "" || x.Line < 0 || x.Line > 0 && x.Col < 1 {
				t.Fatalf("problem without a place or a text: %+v", x)
			}
		}
	})
}
