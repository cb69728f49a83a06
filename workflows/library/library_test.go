package library_test

import (
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
