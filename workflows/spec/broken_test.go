package spec_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/library"
	"github.com/countersign-bot/countersign/workflows/spec"
)

var update = flag.Bool("update", false, "rewrite the golden texts")

const (
	orgDir    = "../../testdata/org"
	brokenDir = "../../testdata/spec"
)

func connectors() spec.Options {
	return spec.Options{Connectors: []string{"sshca", "postgres", "command", "webhook", "kubernetes"}}
}

// optionsOf are the options with which a fixture is read.
func optionsOf(t testing.TB, a *txtar.Archive) spec.Options {
	t.Helper()
	o := connectors()
	for _, s := range a.Files {
		if s.Name != "params" {
			continue
		}
		if got := strings.TrimSpace(string(s.Data)); got != "known" {
			t.Fatalf("params is %q, want known", got)
		}
		o.Connectors = append(o.Connectors, "etcd", "redis", "okta", "x509", "jira")
		o.Params = knownParams()
	}
	return o
}

// knownParams are the words of some connectors, as cmd/countersign tells them.
func knownParams() map[string]spec.Params {
	role, okta := []string{"role"}, []string{"group", "app"}
	return map[string]spec.Params{
		"sshca": {
			Known: []string{"principals", "extensions", "host", "force_command", "source_address"}, Needed: []string{"principals"}, Acts: []string{"principals"},
			Brokers: &spec.Brokers{
				Needed: []string{"force_command", "source_address"}, Addresses: "source_address",
				Never: map[string][]string{"extensions": {"permit-port-forwarding"}},
			},
		},
		"postgres": {Known: role, Needed: role, Lists: role, Makes: true, Scopes: true},
		"webhook":  {Known: []string{"tool", "environment", "team", "role", "service", "account", "scope", "permission_set"}},
		"etcd":     {Known: role, Needed: role, Lists: role},
		"redis":    {Known: []string{"role", "rules"}, Either: []string{"role", "rules"}, Lists: role},
		"okta":     {Known: okta, Either: okta, Lists: okta},
		"x509":     {Known: []string{"name", "organization", "spiffe", "field", "key"}, Lists: []string{"organization", "spiffe"}},
		"jira":     {Grantless: true},
	}
}

// org is the example organisation in memory, so that a test can put mistakes into it.
func org(t testing.TB) fstest.MapFS {
	t.Helper()
	return inMemory(t, os.DirFS(orgDir))
}

// company is the example company of the library, which uses the whole language.
func company(t testing.TB) fstest.MapFS {
	t.Helper()
	return inMemory(t, library.Company())
}

func inMemory(t testing.TB, dir fs.FS) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	err := fs.WalkDir(dir, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(dir, p)
		out[p] = &fstest.MapFile{Data: b, Mode: 0o644}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// edit replaces text that stands in a file exactly once.
func edit(t testing.TB, f fstest.MapFS, name, old, new string) {
	t.Helper()
	if f[name] == nil {
		t.Fatalf("editing %s: no such file", name)
	}
	if n := bytes.Count(f[name].Data, []byte(old)); n != 1 {
		t.Fatalf("editing %s: %q stands there %d times, want once", name, old, n)
	}
	f[name] = &fstest.MapFile{Data: bytes.Replace(f[name].Data, []byte(old), []byte(new), 1), Mode: 0o644}
}

// broken applies a fixture to the example organisation. A section NAME replaces or adds a file; NAME.edit holds hunks of
// lines to replace (- old, + new, a blank line between hunks); "remove" lists files; "base" says company when it is applied to the example
// company of the library instead; "params" says known when the words of the connectors are known, too; {U+202E} stands for a character
// that an editor would not show.
func broken(t testing.TB, a *txtar.Archive) fstest.MapFS {
	t.Helper()
	f := org(t)
	for _, s := range a.Files {
		text := visible(t, string(s.Data))
		switch {
		case s.Name == "want", s.Name == "params":
		case s.Name == "base" && strings.TrimSpace(text) == "company":
			f = company(t)
		case s.Name == "remove":
			for _, n := range strings.Fields(text) {
				if f[n] == nil {
					t.Fatalf("removing %s: no such file", n)
				}
				delete(f, n)
			}
		case strings.HasSuffix(s.Name, ".edit"):
			for hunk := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
				old, new := sides(t, hunk)
				edit(t, f, strings.TrimSuffix(s.Name, ".edit"), old, new)
			}
		default:
			f[s.Name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
		}
	}
	return f
}

func sides(t testing.TB, hunk string) (old, new string) {
	t.Helper()
	for l := range strings.SplitSeq(hunk, "\n") {
		switch {
		case strings.HasPrefix(l, "-"):
			old += l[1:] + "\n"
		case strings.HasPrefix(l, "+"):
			new += l[1:] + "\n"
		default:
			t.Fatalf("line %q of a hunk begins with neither - nor +", l)
		}
	}
	return old, new
}

func visible(t testing.TB, s string) string {
	t.Helper()
	return regexp.MustCompile(`\{U\+([0-9A-F]{2,6})\}`).ReplaceAllStringFunc(s, func(m string) string {
		n, err := strconv.ParseInt(m[3:len(m)-1], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		if n < 0x100 && strings.HasPrefix(m, "{U+00") && n >= 0x80 { // {U+00FF}: the character; {U+FF}: the byte
			return string(rune(n))
		}
		if n < 0x100 && n >= 0x80 {
			return string([]byte{byte(n)})
		}
		return string(rune(n))
	})
}

// problems is the text of the error of Load.
func problems(t testing.TB, fsys fs.FS) string {
	t.Helper()
	return problemsWith(t, fsys, connectors())
}

func problemsWith(t testing.TB, fsys fs.FS, o spec.Options) string {
	t.Helper()
	f, err := spec.Load(fsys, o)
	if err == nil {
		return ""
	}
	var p *spec.Problems
	if !errors.As(err, &p) || f != nil {
		t.Fatalf("Load answered %v and %T %v, want nil and *Problems", f, err, err)
	}
	if len(p.List) == 0 || len(p.List) > 100 {
		t.Fatalf("%d problems, want 1 to 100", len(p.List))
	}
	return err.Error()
}

// hidden writes what does not show the way fixtures spell it.
func hidden(s string) string {
	return regexp.MustCompile(`[^\n\x20-\x7e→–—…äöüéßØ]`).ReplaceAllStringFunc(s, func(r string) string {
		return fmt.Sprintf("{U+%04X}", []rune(r)[0])
	})
}

// fixtures runs every broken folder whose name matches and answers how many there are.
func fixtures(t *testing.T, pattern string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(brokenDir, pattern+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		t.Run(strings.TrimSuffix(filepath.Base(n), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(n)
			if err != nil {
				t.Fatal(err)
			}
			got := hidden(problemsWith(t, broken(t, a), optionsOf(t, a))) + "\n"
			if got == "\n" {
				t.Fatal("the folder is broken and was not refused")
			}
			golden(t, n, a, got)
		})
	}
	return len(names)
}

func golden(t *testing.T, file string, a *txtar.Archive, got string) {
	t.Helper()
	last := len(a.Files) - 1
	if *update {
		if a.Files[last].Name == "want" {
			a.Files = a.Files[:last]
		}
		a.Files = append(a.Files, txtar.File{Name: "want", Data: []byte(got)})
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if a.Files[last].Name != "want" {
		t.Fatal("the last section is not want: run with -update and read what is written")
	}
	if diff := cmp.Diff(string(a.Files[last].Data), got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestBrokenFoldersAreRefusedWithTheReason(t *testing.T) {
	if n := fixtures(t, "*"); n < 500 {
		t.Errorf("%d broken folders, want 500 at least", n)
	}
}

func TestTheExampleOrganisationLoads(t *testing.T) {
	t.Parallel()
	f, err := spec.Load(org(t), connectors())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Compile(func(k string) workflows.PersonID { return workflows.PersonID("p_" + k) }); err != nil {
		t.Fatal(err)
	}
}
