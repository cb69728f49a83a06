package library_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/library"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func TestTheStartLoadsWithoutAProblem(t *testing.T) {
	t.Parallel()
	f, err := spec.Load(library.FS(), spec.Options{Connectors: []string{"sshca", "postgres"}})
	if err != nil {
		t.Fatalf("the ready-made start is refused:\n%v", err)
	}
	p, err := f.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
	if err != nil {
		t.Fatal(err)
	}
	zones := map[string]bool{}
	for _, x := range p.People {
		zones[x.Zone] = true
	}
	if len(zones) != 4 {
		t.Errorf("people live in %d time zones, want 4", len(zones))
	}
	shell := p.Workflows["prod-shell"].Workflow
	if len(shell.Stages) != 2 || shell.Stages[0].Escalate == nil || shell.Kind != workflows.KindCredential {
		t.Errorf("prod-shell is %+v, want a credential chain of two stages that escalates", shell)
	}
	if k := p.Workflows["prod-db-read"].Workflow.Kind; k != workflows.KindElevation {
		t.Errorf("prod-db-read is of kind %q", k)
	}
	if k := p.Workflows["runbook-approval"].Workflow.Kind; k != workflows.KindPreapprove {
		t.Errorf("runbook-approval is of kind %q", k)
	}
}

// Somebody who has never seen these files learns every key from them: each key of the reference stands in a file of
// its kind, as a key or in a comment, in the start or in the company.
func TestTheLibraryExplainsEveryKey(t *testing.T) {
	t.Parallel()
	for section := range strings.SplitSeq(spec.Reference(), "\n## ") {
		pattern, _, _ := strings.Cut(section, "\n")
		if strings.HasPrefix(pattern, "#") || strings.HasPrefix(pattern, "runbooks/") || pattern == "Conditions" {
			continue
		}
		text := textOf(t, pattern)
		for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(section, -1) {
			key := m[1][strings.LastIndexByte(m[1], '.')+1:]
			if !regexp.MustCompile(`\b` + strings.TrimSuffix(key, "[]") + `\b`).MatchString(text) {
				t.Errorf("%s: key %q is nowhere explained", pattern, m[1])
			}
		}
	}
}

// textOf is all files of one kind in the start and in the company.
func textOf(t *testing.T, pattern string) string {
	t.Helper()
	var text strings.Builder
	for _, folder := range []fs.FS{library.FS(), library.Company()} {
		names, err := fs.Glob(folder, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			b, err := fs.ReadFile(folder, n)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(b)
		}
	}
	if text.Len() == 0 {
		t.Fatalf("no file of the kind %s", pattern)
	}
	return text.String()
}

// The company is read as a text book: every chain says in its first line what it is about, and has a test.
func TestEveryChainOfTheCompanyIsExplainedAndTested(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(library.Company(), "workflows/*.yaml")
	if err != nil || len(names) < 9 {
		t.Fatalf("%d chains (%v), want 9 at least", len(names), err)
	}
	tests := textOf(t, "tests/*.yaml")
	for _, n := range names {
		b, err := fs.ReadFile(library.Company(), n)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(b), "# ") {
			t.Errorf("%s does not begin with what it is about", n)
		}
		id := strings.TrimSuffix(strings.TrimPrefix(n, "workflows/"), ".yaml")
		if !strings.Contains(string(b), "\nid: "+id+"\n") || !strings.Contains(tests, "workflow: "+id) {
			t.Errorf("%s: its id is not the name of the file, or no test asks it", n)
		}
	}
}

func TestTheCompanyLoadsWithoutAProblem(t *testing.T) {
	t.Parallel()
	f, err := spec.Load(library.Company(), spec.Options{Connectors: []string{"sshca", "postgres", "command", "webhook", "kubernetes"}})
	if err != nil {
		t.Fatalf("the example company is refused:\n%v", err)
	}
	if w := f.Warnings(); len(w) > 0 {
		t.Errorf("the example company is warned of:\n%v", w)
	}
}
