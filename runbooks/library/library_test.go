package library_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/library"
)

// eight are the documents that are ready, in the order of their names.
func eight() []string {
	return []string{
		"bot-down.md", "cloud-lockout.md", "db-failover.md", "idp-outage.md", "k8s-control-plane.md", "leaked-key.md", "payment-freeze.md", "ransomware.md",
	}
}

// routines are those that no incident opens: each replaces a secret of one kind.
func routines() []string {
	return []string{"rotate-certificate.md", "rotate-key.md", "rotate-login.md", "rotate-password.md", "rotate-ssh-key.md"}
}

// Every document can be read, says all that the guidance on break glass demands, and fits a chat.
func TestDocuments(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(library.FS(), "*.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := slices.Sorted(slices.Values(append(eight(), routines()...))); !slices.Equal(names, want) {
		t.Fatalf("documents: %v, want %v", names, want)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(library.FS(), name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := runbooks.ParseDocument(name, raw)
		if err != nil {
			t.Error(err)
			continue
		}
		front := string(d.FrontMatter)
		needed := []string{
			"id", "title", "purpose", "use_when", "do_not_use_when", "owner", "invokers", "grant", "longest", "incident_pattern",
			"skips", "notify", "reviewers", "review_due", "review_every", "drill_every",
		}
		if slices.Contains(routines(), name) {
			needed = []string{"id", "title", "purpose", "use_when", "do_not_use_when", "owner", "invokers", "opens_on", "longest", "chain", "notify", "notify_people"}
		}
		for _, key := range needed {
			if !strings.Contains("\n"+front, "\n"+key+":") {
				t.Errorf("%s: no %s", name, key)
			}
		}
		if want := "id: " + strings.TrimSuffix(name, ".md") + "\n"; !strings.Contains("\n"+front, "\n"+want) {
			t.Errorf("%s does not say %q", name, want)
		}
		if !strings.Contains(front, "title: "+d.Title+"\n") {
			t.Errorf("%s: the heading %q is not the title", name, d.Title)
		}
	}
}

func TestFailoverHasSteps(t *testing.T) {
	t.Parallel()
	raw, err := fs.ReadFile(library.FS(), "db-failover.md")
	if err != nil {
		t.Fatal(err)
	}
	d, err := runbooks.ParseDocument("db-failover.md", raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Steps) != 7 || !strings.HasPrefix(d.Steps[3].Title, "Promote the standby") || !strings.Contains(d.Steps[3].Text, "\n    sudo -u postgres psql -c 'SELECT pg_promote(true, 60)'\n") {
		t.Errorf("steps: %+v", d.Steps)
	}
	lines := strings.Split(string(raw), "\n")
	for _, s := range d.Steps {
		if line := lines[s.Line-1]; !strings.Contains(line, s.Title[:20]) {
			t.Errorf("step %d is said to be on line %d: %q", s.Number, s.Line, line)
		}
	}
}
