package spec_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/countersign-bot/countersign/workflows"
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

// TestLoad_GrantlessConnector: a system of tickets stands among the targets without entitlements, and only so.
func TestLoad_GrantlessConnector(t *testing.T) {
	opts := spec.Options{Connectors: []string{"postgres", "sshca", "jira"}, Params: map[string]spec.Params{"jira": {Grantless: true}}}
	const target = "id: tickets\ntitle: Tickets\nconnector: jira\nowner: OWNER\nenvironment: production\ndata_class: internal\n"
	for more, want := range map[string]string{
		"": "",
		"entitlements:\n  - {id: x, title: X, description: Reads tickets., business_task: Reading tickets., review_date: 2036-01-01}\n": `is of the kind "jira", on which nothing is granted`,
	} {
		files := fstest.MapFS{}
		if err := copyInto(files, library.FS()); err != nil {
			t.Fatal(err)
		}
		owner := regexp.MustCompile(`(?m)^owner: (\S+)`).FindSubmatch(files["targets/bastion.yaml"].Data)
		files["targets/tickets.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(target, "OWNER", string(owner[1]), 1) + more)}
		_, err := spec.Load(files, opts)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", more, err, want)
		}
	}
}

// TestReq_R55_TaskNeedsASourceOfTasks: what a chain wants of a ticket is asked of a target that keeps some; without one, or of another, it is refused
// with the line.
func TestReq_R55_TaskNeedsASourceOfTasks(t *testing.T) {
	opts := spec.Options{Connectors: []string{"postgres", "sshca", "jira"}, Params: map[string]spec.Params{"jira": {Grantless: true}}}
	const tickets = "id: tickets\ntitle: Tickets\nconnector: jira\nowner: OWNER\nenvironment: production\ndata_class: internal\n"
	for _, c := range []struct {
		keeper bool
		task   string
		want   string
	}{
		{true, "{source: tickets, assignee: requester, window: true}", ""},
		{true, "{assignee: anyone}", ""},
		{false, "{assignee: anyone}", "no target keeps tickets that could be asked about"},
		{true, "{source: bastion}", `target "bastion" keeps no tickets`},
		{true, "{source: ticket}", `target "ticket" keeps no tickets`},
	} {
		files := fstest.MapFS{}
		if err := copyInto(files, library.FS()); err != nil {
			t.Fatal(err)
		}
		owner := regexp.MustCompile(`(?m)^owner: (\S+)`).FindSubmatch(files["targets/bastion.yaml"].Data)
		if c.keeper {
			files["targets/tickets.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(tickets, "OWNER", string(owner[1]), 1))}
		}
		const path = "workflows/prod-shell.yaml"
		text := string(files[path].Data)
		changed := regexp.MustCompile(`(?m)^longest:`).ReplaceAllString(text, "ends_with: ticket\ntask: "+c.task+"\nlongest:")
		if changed == text {
			t.Fatal("the example has another form now")
		}
		files[path] = &fstest.MapFile{Data: []byte(changed)}
		f, err := spec.Load(files, opts)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path+":") {
				t.Errorf("%s, keeper %t: %v, want %q", c.task, c.keeper, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.task, err)
			continue
		}
		p, err := f.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
		if err != nil || p.Workflows["prod-shell"].Workflow.Task == nil {
			t.Errorf("%s is not in what governs: %v", c.task, err)
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
