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
// its kind, as a key or in a comment.
func TestTheStartExplainsEveryKey(t *testing.T) {
	t.Parallel()
	for section := range strings.SplitSeq(spec.Reference(), "\n## ") {
		pattern, _, _ := strings.Cut(section, "\n")
		if strings.HasPrefix(pattern, "#") || strings.HasPrefix(pattern, "runbooks/") {
			continue
		}
		names, err := fs.Glob(library.FS(), pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("no file of the kind %s (%v)", pattern, err)
		}
		var text strings.Builder
		for _, n := range names {
			b, err := fs.ReadFile(library.FS(), n)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(b)
		}
		for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(section, -1) {
			key := m[1][strings.LastIndexByte(m[1], '.')+1:]
			if !regexp.MustCompile(`\b` + key + `\b`).MatchString(text.String()) {
				t.Errorf("%s: key %q is nowhere explained", pattern, m[1])
			}
		}
	}
}
