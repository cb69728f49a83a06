package spec_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// ids is a directory of people as a test needs it: one fixed random-looking id each.
func ids(key string) workflows.PersonID {
	sum := sha256.Sum256([]byte("person " + key))
	return workflows.PersonID("p_" + hex.EncodeToString(sum[:16]))
}

func compiled(t testing.TB, fsys fs.FS) spec.Policies {
	t.Helper()
	f, err := spec.Load(fsys, connectors())
	if err != nil {
		t.Fatalf("loading:\n%v", err)
	}
	p, err := f.Compile(ids)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// hashes is the hash of every policy by its name.
func hashes(p spec.Policies) map[string]workflows.DocHash {
	out := map[string]workflows.DocHash{}
	for id, x := range p.Workflows {
		out["workflow "+string(id)] = x.Hash
	}
	for id, x := range p.Runbooks {
		out["runbook "+string(id)] = x.Policy
	}
	return out
}

func TestPoliciesAreCanonicalJSONOfTheirValues(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]fs.FS{"org": org(t), "company": company(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policiesAreCanonical(t, compiled(t, folder))
		})
	}
}

func policiesAreCanonical(t *testing.T, p spec.Policies) {
	check := func(name string, canonical []byte, hash workflows.DocHash, value, back any) {
		t.Helper()
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		want, err := jcs.Transform(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(canonical)); diff != "" {
			t.Errorf("%s is not what RFC 8785 writes (-want +got):\n%s", name, diff)
		}
		sum := sha256.Sum256(canonical)
		if want := "sha256:" + hex.EncodeToString(sum[:]); string(hash) != want {
			t.Errorf("%s has the hash %s, want %s", name, hash, want)
		}
		if bytes.Contains(canonical, []byte("null")) {
			t.Errorf("%s holds null: %s", name, canonical)
		}
		if err := json.Unmarshal(canonical, back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(value, back); diff != "" {
			t.Errorf("%s read back (-want +got):\n%s", name, diff)
		}
	}
	for id, x := range p.Workflows {
		check(string(id), x.Canonical, x.Hash, &x.Workflow, new(workflows.Workflow))
		if x.SourceHash != hashOf(x.Source) || !bytes.Contains(x.Source, []byte("id: "+string(id))) {
			t.Errorf("source of %s is %.40q with hash %s", id, x.Source, x.SourceHash)
		}
	}
	for id, x := range p.Runbooks {
		check(string(id), x.Canonical, x.Policy, &x.Runbook, new(incidents.Runbook))
		if x.Hash != hashOf(x.Raw) || x.Runbook.Document != x.Hash {
			t.Errorf("document of %s has the hashes %s and %s, want %s", id, x.Hash, x.Runbook.Document, hashOf(x.Raw))
		}
	}
}

func hashOf(b []byte) workflows.DocHash {
	sum := sha256.Sum256(b)
	return workflows.DocHash("sha256:" + hex.EncodeToString(sum[:]))
}

// The bytes of a policy are for ever: a change of this golden file is a change of what every open request is bound to.
func TestCompiledPoliciesStayTheSameBytes(t *testing.T) {
	t.Parallel()
	p := compiled(t, org(t))
	var b bytes.Buffer
	for _, id := range []workflows.WorkflowID{"prod-db-read", "prod-shell", "runbook-approval"} {
		fmt.Fprintf(&b, "%s\n%s\n", p.Workflows[id].Hash, p.Workflows[id].Canonical)
	}
	fmt.Fprintf(&b, "%s\n%s\n", p.Runbooks["db-down"].Policy, p.Runbooks["db-down"].Canonical)
	goldenFile(t, "compiled.txt", b.Bytes())
}

func goldenFile(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join(brokenDir, name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestReferenceNamesEveryKey(t *testing.T) {
	t.Parallel()
	goldenFile(t, "reference.md", []byte(spec.Reference()))
}

func TestPoliciesNameNobody(t *testing.T) {
	t.Parallel()
	f := org(t)
	canaries := []string{"Canary Zebrafinch", "zebrafinch@canary.example", "U0CANARY99", "zebraunix", "zebraaccount", "zebrakey", "Zebrarobot"}
	edit(t, f, "people.yaml", "groups:\n", `  - {key: zebrakey, name: Canary Zebrafinch, email: zebrafinch@canary.example, slack: U0CANARY99, unix: zebraunix, timezone: UTC, accounts: {pg-main: zebraaccount}}

groups:
`)
	edit(t, f, "people.yaml", "{name: dba, members: [bob, chandra]}", "{name: dba, members: [bob, chandra, zebrakey]}")
	edit(t, f, "workflows/runbook-approval.yaml", "people: [frida]", "people: [frida, zebrafinch@canary.example]")
	edit(t, f, "targets/pg-main.yaml", "owner: chandra", "owner: zebrakey")
	edit(t, f, "runbooks/db-down.md", "people: [erin, frida]", "people: [erin, zebrakey]")
	edit(t, f, "identities.yaml", "name: Deployment robot", "name: Zebrarobot")
	p := compiled(t, f)
	var all bytes.Buffer
	for _, x := range p.Workflows {
		all.Write(x.Canonical)
	}
	for _, x := range p.Runbooks {
		all.Write(x.Canonical)
	}
	for _, c := range canaries {
		if strings.Contains(strings.ToLower(all.String()), strings.ToLower(c)) {
			t.Errorf("%q stands in a policy", c)
		}
	}
	for _, x := range p.Workflows {
		if x.Workflow.ID == "prod-db-read" && x.Workflow.Entitlements[0].Owner != ids("zebrakey") {
			t.Errorf("the owner is %q", x.Workflow.Entitlements[0].Owner)
		}
	}
	if n := strings.Count(all.String(), string(ids("zebrakey"))); n < 5 {
		t.Errorf("the person is named by id %d times, want 5 at least: the canary did not get into the policies", n)
	}
}

// Every change that could change a decision changes the hash; what only changes how people are shown does not.
func TestHashChangesWithWhatMatters(t *testing.T) {
	t.Parallel()
	before := hashes(compiled(t, org(t)))
	const shell, read, approve, book = "workflow prod-shell", "workflow prod-db-read", "workflow runbook-approval", "runbook db-down"
	for _, c := range []struct {
		file, old, new string
		changed        []string
	}{
		{"people.yaml", "name: Bob Okafor", "name: Robert Okafor", nil},
		{"people.yaml", "email: bob@example.com", "email: robert@example.com", nil},
		{"people.yaml", "slack: U0BOB001", "slack: U0BOB002", nil},
		{"people.yaml", "timezone: Asia/Tokyo", "timezone: Asia/Seoul", nil},
		{"people.yaml", "accounts: {pg-main: bob}", "accounts: {pg-main: rob}", nil},
		{"people.yaml", "members: [erin, dai]", "members: [erin, dai, bob]", []string{shell, read, approve}},
		{"people.yaml", "members: [alice, bob, dai]", "members: [alice, dai]", []string{book}},
		{"countersign.yaml", "Example Ltd", "Example AG", nil},
		{"roles.yaml", "people: [bob]", "people: [alice]", nil},
		{"identities.yaml", "backup: bob", "backup: dai", nil},
		{"targets/pg-main.yaml", "owner: chandra", "owner: erin", []string{read, book}},
		{"targets/pg-main.yaml", "role: cs_readonly", "role: cs_readall", []string{read, book}},
		{"targets/pg-main.yaml", "longest: 4h", "longest: 3h", []string{read, book}},
		{"targets/pg-main.yaml", "shared: true", "shared: false", []string{read, book}},
		{"targets/pg-main.yaml", "dsn_file: /run/secrets/pg-main.dsn", "dsn_file: /run/secrets/other.dsn", nil},
		{"targets/bastion.yaml", "principals: [deploy]", "principals: [deploy, root]", []string{shell}},
		{"targets/bastion.yaml", "data_class: confidential", "data_class: public", []string{shell}},
		{"workflows/prod-shell.yaml", "after: 45m", "after: 44m", []string{shell}},
		{"workflows/prod-shell.yaml", "purpose: >-", "# a remark\npurpose: >-", nil},
		{"workflows/prod-db-read.yaml", "quorum: 1", "quorum: 2", []string{read}},
		{"workflows/prod-db-read.yaml", "target_owner: true", "target_owner: false", []string{read}},
		{"workflows/prod-db-read.yaml", "for: [self, owned]", "for: [self]", []string{read}},
		{"workflows/runbook-approval.yaml", "uses: 3", "uses: 4", []string{approve}},
		{"runbooks/db-down.md", "review_due: 24h", "review_due: 23h", []string{book}},
		{"runbooks/db-down.md", "ends nothing by itself.", "ends nothing by itself!", []string{book}},
	} {
		f := org(t)
		edit(t, f, c.file, c.old, c.new)
		var changed []string
		after := hashes(compiled(t, f))
		for _, name := range []string{shell, read, approve, book} {
			if before[name] != after[name] {
				changed = append(changed, name)
			}
		}
		if diff := cmp.Diff(c.changed, changed); diff != "" {
			t.Errorf("%s: %q -> %q changes (-want +got):\n%s", c.file, c.old, c.new, diff)
		}
	}
}

func TestCompileRefusesADirectoryThatCannotTellPeopleApart(t *testing.T) {
	t.Parallel()
	f, err := spec.Load(org(t), connectors())
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []func(string) workflows.PersonID{
		func(string) workflows.PersonID { return "" },
		func(string) workflows.PersonID { return "p_1" },
	} {
		if _, err := f.Compile(bad); err == nil {
			t.Error("Compile accepted ids that are empty or the same")
		}
	}
}

func TestCompiledFolderCarriesEverything(t *testing.T) {
	t.Parallel()
	p := compiled(t, org(t))
	if p.Settings != (spec.Settings{
		Organisation: "Example Ltd", SecurityChannel: "#security",
		Checkpoint: spec.Checkpoint{Schedule: "0 * * * *", Zone: "UTC", Channel: "#access-audit"},
	}) {
		t.Errorf("settings are %+v", p.Settings)
	}
	if diff := cmp.Diff(spec.Person{
		ID: ids("alice"), Key: "alice", Name: "Alice Ng", Email: "alice@example.com", Slack: "U0ALICE1", Unix: "alice",
		Zone: "America/New_York", Hours: "09:00-17:30", Manager: ids("frida"), Accounts: map[workflows.TargetID]string{"pg-main": "alice"},
	}, p.People[0]); diff != "" {
		t.Errorf("person (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(spec.Target{
		ID: "pg-main", Title: "Main database", Connector: "postgres", Owner: ids("chandra"), Backup: ids("bob"),
		Environment: "production", DataClass: "personal", Settings: map[string]string{"dsn_file": "/run/secrets/pg-main.dsn"},
	}, p.Targets[1]); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]spec.Identity{{
		ID: "svc-deploy", Kind: "service_account", Name: "Deployment robot", Owner: ids("alice"), Backup: ids("bob"),
		Purpose:     "Rolls out releases of the web application from the build pipeline.",
		Environment: "production", Expires: "2027-06-30", Accounts: map[workflows.TargetID]string{"pg-main": "svc_deploy"},
	}}, p.Identities); diff != "" {
		t.Errorf("identities (-want +got):\n%s", diff)
	}
	if len(p.Entitlements) != 2 || len(p.Groups) != 7 || len(p.People) != 6 {
		t.Errorf("%d entitlements, %d groups, %d people", len(p.Entitlements), len(p.Groups), len(p.People))
	}
	if diff := cmp.Diff(workflows.Selector{Groups: []workflows.Group{{Name: "security", Members: []workflows.PersonID{ids("erin"), ids("dai")}}}}, p.Roles.Security); diff != "" {
		t.Errorf("role security (-want +got):\n%s", diff)
	}
	if r := p.Runbooks["db-down"].Runbook; r.ReviewDue != 86400 || r.Longest != 3600 || r.Skips != "prod-db-read" || r.Grant.Name() != "pg-main/readonly" {
		t.Errorf("runbook is %+v", r)
	}
}

func TestCanonicalIsRFC8785(t *testing.T) {
	t.Parallel()
	leaf := rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.Int64Range(-(1<<53-1), 1<<53-1), func(n int64) any { return n }),
	)
	var tree func(depth int) *rapid.Generator[any]
	tree = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return leaf
		}
		return rapid.OneOf(leaf,
			rapid.Map(rapid.SliceOfN(tree(depth-1), 0, 4), func(s []any) any { return s }),
			rapid.Map(rapid.MapOfN(rapid.String(), tree(depth-1), 0, 4), func(m map[string]any) any { return m }))
	}
	rapid.Check(t, func(rt *rapid.T) {
		v := map[string]any{"v": tree(3).Draw(rt, "value")}
		raw, err := json.Marshal(v)
		if err != nil {
			rt.Skip()
		}
		want, err := jcs.Transform(raw)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := spec.Canonical(v)
		if err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("canonical form is\n%s %v, want\n%s", got, err, want)
		}
	})
	far, err := spec.Canonical(map[string]any{"\ue000": 1, "\U0001f600": 2}) // bytes and UTF-16 order them differently
	if want := "{\"\U0001f600\":2,\"\ue000\":1}"; err != nil || string(far) != want {
		t.Errorf("canonical form is %q %v, want %q", far, err, want)
	}
	for _, bad := range []any{
		map[string]any{"a": 1.5},
		map[string]any{"a": nil},
		map[string]any{"a": []int(nil)},
		map[string]any{"a": int64(1) << 53},
		map[string]any{"a": 1e21},
		map[string]any{"a": func() {}},
	} {
		if got, err := spec.Canonical(bad); err == nil {
			t.Errorf("canonical form of %v is %s, want an error", bad, got)
		}
	}
}

func TestNearestOffersWhatWasMeant(t *testing.T) {
	t.Parallel()
	known := []string{"alice", "bob", "approvers", "exclude", "pg-main/readonly", "postgres", "x"}
	for got, want := range map[string]string{
		"alcie": "alice", "Alice": "alice", "bop": "bob", "approver": "approvers", "appr": "approvers", "postgresql": "postgres",
		"pg-main/read-only": "pg-main/readonly", "zz": "", "": "", "q": "", "somebody-else": "",
	} {
		if n := spec.Near(got, known); n != want {
			t.Errorf("nearest to %q is %q, want %q", got, n, want)
		}
	}
}

func TestProblemsAreCountedBeyondAHundred(t *testing.T) {
	t.Parallel()
	f := org(t)
	var b strings.Builder
	b.WriteString("people:\n")
	for i := range 150 {
		fmt.Fprintf(&b, "  - {key: p%d, name: P, email: p%d, timezone: UTC}\n", i, i)
	}
	f["people.yaml"] = &fstest.MapFile{Data: []byte(b.String())}
	_, err := spec.Load(f, connectors())
	var p *spec.Problems
	if !errors.As(err, &p) || len(p.List) != 100 || p.More < 50 {
		t.Fatalf("error is %T with %d problems and %d more", err, len(p.List), p.More)
	}
	if !strings.HasSuffix(err.Error(), fmt.Sprintf("and %d more", p.More)) {
		t.Errorf("the text ends with %q", err.Error()[len(err.Error())-40:])
	}
	if x := p.List[len(p.List)-1]; x.Line == 0 || x.Path == "" || !strings.HasPrefix(x.Where(), x.File+":") {
		t.Errorf("problem is %+v", x)
	}
}

// A workflow that uses every key, and the value it compiles to, written out: a key that is read and then forgotten
// would show here.
func TestEveryKeyOfAWorkflowIsCompiled(t *testing.T) {
	t.Parallel()
	f := org(t)
	f["workflows/every.yaml"] = &fstest.MapFile{Data: []byte(`
id: every
title: Every key
purpose: |
  Two lines,
  of text.
kind: elevation
owner: bob
may_ask: {anyone: true, exclude: [erin]}
for: [owned, self]
grants: [pg-main/readonly]
fields:
  - {name: a, label: A, help: Help A, type: text, optional: true, pattern: "[a-z]+", max_length: 77}
  - {name: b, label: B, type: choice, choices: [one, two]}
longest: 2d
usual: 90m
reason_min: 0
channel: "#every"
seen_by: members
stages:
  - name: First
    approvers: {people: [frida, erin@example.com], groups: [dba], chat_groups: ["@dba"], target_owner: true, identity_owner: true, manager: true, exclude: [dai]}
    quorum: 3
    remind: 10m
    escalate: {after: 20m, approvers: {people: [alice]}}
    timeout: 30m
    repeat: true
  - {name: Second, approvers: {chat_groups: ["@sec"]}, timeout: 1h}
`)}
	got := compiled(t, f).Workflows["every"].Workflow
	want := workflows.Workflow{
		ID: "every", Title: "Every key", Purpose: "Two lines,\nof text.", Kind: workflows.KindElevation, Owner: ids("bob"),
		Ask: workflows.Selector{Anyone: true, Exclude: []workflows.PersonID{ids("erin")}}, For: []string{"owned", "self"},
		Entitlements: []workflows.Entitlement{{
			Target: "pg-main", ID: "readonly", TargetTitle: "Main database", Title: "Read the main database",
			Description:  "Reads every table of the application, also personal data. Changes nothing.",
			BusinessTask: "Answering support cases and finding faulty records.", Owner: ids("chandra"), Backup: ids("bob"),
			Environment: "production", DataClass: "personal", ReviewDate: "2027-05-01", Connector: "postgres",
			Params: map[string][]string{"role": {"cs_readonly"}}, Longest: 4 * 3600, Shared: true, Account: true,
		}},
		Fields: []workflows.Field{
			{Name: "a", Label: "A", Help: "Help A", Type: "text", Optional: true, Pattern: "[a-z]+", MaxLen: 77},
			{Name: "b", Label: "B", Type: "choice", Choices: []string{"one", "two"}},
		},
		Longest: 2 * 86400, Usual: 5400, Channel: "#every", SeenBy: "members",
		Stages: []workflows.Stage{
			{
				Name: "First", Quorum: 3, Remind: 600, Timeout: 1800, Repeat: true,
				Approvers: workflows.Selector{
					People: []workflows.PersonID{ids("frida"), ids("erin")}, ChatGroups: []string{"@dba"}, TargetOwner: true, IdentityOwner: true,
					Manager: true, Exclude: []workflows.PersonID{ids("dai")},
					Groups: []workflows.Group{{Name: "dba", Members: []workflows.PersonID{ids("bob"), ids("chandra")}}},
				},
				Escalate: &workflows.Escalation{After: 1200, Approvers: workflows.Selector{People: []workflows.PersonID{ids("alice")}}},
			},
			{Name: "Second", Quorum: 1, Timeout: 3600, Approvers: workflows.Selector{ChatGroups: []string{"@sec"}}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("workflow (-want +got):\n%s", diff)
	}
}
