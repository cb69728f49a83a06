package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// jonasRoles make the user that runs the tests an owner of Countersign and one of security.
const jonasRoles = "owner:\n  people: [jonas, sofia]\nsecurity:\n  people: [jonas]\n  groups: [security, security-east]\nauditor:\n  people: [frida]\noperator:\n  people: [frida]\n"

// identityCLI runs countersign identities as Jonas.
func (d *demo) identityCLI(t *testing.T, args ...string) string {
	t.Helper()
	out, err := d.cli(t.Context(), "", append([]string{"identities"}, args...)...)
	if err != nil {
		t.Fatalf("countersign identities %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// listed gives the rows of a list.
func (d *demo) listed(t *testing.T, args ...string) []workflows.InventoryRow {
	t.Helper()
	var r reply
	mustSay(t, json.Unmarshal([]byte(d.identityCLI(t, append(args, "-json")...)), &r))
	var page struct {
		Rows []workflows.InventoryRow `json:"rows"`
	}
	mustSay(t, json.Unmarshal(r.Data, &page))
	return page.Rows
}

func fileOf(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	mustSay(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestReq_R86_StoryOfAnIdentityOnPostgreSQL: a role on a real PostgreSQL is found with nobody to answer for it, claimed, loses its owner, is handed over, gets a new
// secret and is taken off; the ledger verifies, and its lists equal what its entries say (R14, R17, R37, R86).
func TestReq_R86_StoryOfAnIdentityOnPostgreSQL(t *testing.T) {
	t.Parallel()
	pg := pgtest.Start(t, "fsync=off")
	target := pg.NewDatabase(t)
	pg.Exec(t, "postgres", `CREATE ROLE bot LOGIN CREATEROLE PASSWORD 'bot-pw'`, `GRANT pg_signal_backend TO bot`, `CREATE ROLE cs_readonly`,
		`CREATE ROLE maya_pg LOGIN PASSWORD 'maya-pw'`, `CREATE ROLE canary LOGIN PASSWORD 'canary-pw'`)
	dsn := filepath.Join(t.TempDir(), "dsn")
	database, _, _ := strings.Cut(target[strings.LastIndex(target, "/")+1:], "?")
	mustSay(t, os.WriteFile(dsn, []byte(pg.URLFor("bot", "bot-pw", database)), 0o600))
	people, err := demoFiles.ReadFile("demo/org/people.yaml")
	mustSay(t, err)
	d := demoAsJonas(t, map[string]string{
		"targets/pg-main.yaml": strings.ReplaceAll(pgTarget, "DSNFILE", dsn), "workflows/prod-db-read.yaml": pgWorkflow, "roles.yaml": jonasRoles,
		"people.yaml": strings.Replace(string(people), "    unix: maya\n", "    unix: maya\n    accounts: {pg-main: maya_pg}\n", 1),
	})
	said(t, d.identityCLI(t, "discover", "pg-main"), "pg-main:", "new", "1 account")
	orphans := d.listed(t, "orphans")
	var canary workflows.IdentityID
	for _, r := range orphans {
		out := d.identityCLI(t, "show", string(r.ID))
		if strings.Contains(out, "account: canary;") {
			canary = r.ID
			said(t, out, "Owner: nobody", "unowned", "no_end")
		}
	}
	if canary == "" {
		t.Fatalf("the role canary was not found among %d orphans", len(orphans))
	}
	said(t, d.identityCLI(t, "discover", "pg-main"), " 0 new, 0 changed") // twice finds the same

	end := d.clock.Now().Wall.AddDate(0, 6, 0).Format("2006-01-02")
	if out, err := d.cli(t.Context(), "", "identities", "claim", string(canary), "-owner", "maya", "-purpose", "misc", "-expires", end); err == nil {
		t.Errorf("an identity was claimed for nothing in particular:\n%s", out)
	}
	said(t, d.identityCLI(t, "claim", string(canary), "-owner", "maya", "-backup", "jonas", "-purpose", "Checks every minute that the database answers.", "-expires", end),
		"Owner: Maya Chen", "backup: Jonas Weber")

	said(t, d.identityCLI(t, "import", fileOf(t, "cmdb.csv", "id,kind,name,owner,backup,purpose,expires,stored,revocation,creator\n"+
		"key-report,api_key,Report key,jonas,sofia,Reads the figures of the month.,"+end+",vault,runbook report-off,maya\n"+
		"key-old,api_key,Old key,jonas,sofia,Reads the figures of the year.,"+end+",vault,runbook report-off,somebody.long.gone\n"), "-source", "cmdb"), "2 new")
	if rows := d.listed(t, "list", "-target", "", "-owner", "jonas"); !slices.ContainsFunc(rows, func(r workflows.InventoryRow) bool { return r.ID == "key-report" && r.Creator != "" }) {
		t.Errorf("who asked for it is not on record: %+v", rows)
	}
	said(t, d.identityCLI(t, "leaver", "maya"), "is not on record as having left")
	said(t, d.identityCLI(t, "leavers", fileOf(t, "hr.csv", "person,change\nmaya,left\n")), "1 person on record")
	_, err = until(t.Context(), "the hand-over to open", func() (string, bool) {
		out := d.identityCLI(t, "show", string(canary))
		return out, strings.Contains(out, "Being handed over (leaver): Jonas Weber")
	})
	mustSay(t, err)
	report, err := until(t.Context(), "the secret of what she had asked for to be replaced", func() (string, bool) { // R28, R37: Jonas owns it
		out := d.identityCLI(t, "show", "key-report")
		return out, strings.Contains(out, "(leaver)")
	})
	mustSay(t, err)
	_, err = until(t.Context(), "her off-boarding to be on record whole", func() (string, bool) {
		out := d.identityCLI(t, "leaver", "maya")
		return out, strings.Contains(out, "Open:")
	})
	mustSay(t, err)
	said(t, report, "Owner: Jonas Weber", "Asked for or made by: Maya Chen", "has to be replaced by", "(leaver)", "creator_gone", "countersign identities rotate key-report")
	said(t, d.identityCLI(t, "show", "key-old"), "creator_gone", "Asked for or made by: somebody who is not in the people file")
	said(t, d.identityCLI(t, "report"), "creator_gone: whoever asked for it or made it has left")
	said(t, d.identityCLI(t, "leaver", "maya"), "Maya Chen left on", "as known from csv", "Open: 3 of 3 identities", "key-report  asked for by them, owned by Jonas Weber: UNDECIDED", string(canary)+"  theirs: UNDECIDED: Jonas Weber asked until")
	said(t, d.identityCLI(t, "rotated", "key-report", "-evidence", "the API says 401 to the old key"), "secret made")
	if out := d.identityCLI(t, "show", "key-report"); strings.Contains(out, "creator_gone") {
		t.Errorf("its secret was replaced, and still:\n%s", out)
	}
	said(t, d.identityCLI(t, "answer", "svc-deploy", "retire", "-reason", "nobody deploys with it"), "To do")
	said(t, d.identityCLI(t, "answer", string(canary), "keep"), "Owner: Jonas Weber", "has to be replaced by", "(handover)")
	said(t, d.identityCLI(t, "rotated", string(canary), "-evidence", "psql with the old password says 28P01"), "secret made")
	said(t, d.identityCLI(t, "leaver", "maya"), "Open: 1 of 3 identities", "key-report  asked for by them, owned by Jonas Weber: secret replaced by Jonas Weber", string(canary)+"  theirs: kept by Jonas Weber",
		"the old one is dead: declared", "svc-deploy  theirs: to be taken off, decided by Jonas Weber", "STILL TO DO")
	said(t, d.identityCLI(t, "retire", string(canary), "-reason", "the new probe needs no login"), "To do: its secret is destroyed")
	_, err = until(t.Context(), "its access to be gone", func() (string, bool) {
		out := d.identityCLI(t, "show", string(canary))
		return out, !strings.Contains(out, "(grants)")
	})
	mustSay(t, err)
	if out := d.identityCLI(t, "show", string(canary)); strings.Contains(out, "(account)") { // the bot closed it itself, and read it back
		t.Errorf("its account waits for somebody's word:\n%s", out)
	}
	d.identityCLI(t, "retired-item", string(canary), "secret", "-evidence", "taken out of the vault, CHG-1207")
	if rows := d.listed(t, "list", "-state", "retired"); len(rows) != 1 || rows[0].ID != canary {
		t.Errorf("what is retired: %+v", rows)
	}
	d.closeEverything(t, "svc-deploy")
	said(t, d.identityCLI(t, "leaver", "maya"), "Closed: nothing is left to do about 3 identities", "svc-deploy  theirs: taken off")
	if out, err := d.cli(t.Context(), "", "ledger", "verify"); err != nil {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}

// closeEverything closes what is left to do to take an identity off, when what it held is gone.
func (d *demo) closeEverything(t *testing.T, id string) {
	t.Helper()
	toDo := regexp.MustCompile(`To do: .* \(([a-z]+)\)`)
	_, err := until(t.Context(), "everything about "+id+" to be closed", func() (string, bool) {
		out := d.identityCLI(t, "show", id)
		for _, m := range toDo.FindAllStringSubmatch(out, -1) {
			if m[1] != "grants" { // the bot may have done it meanwhile, which is a refusal
				_, _ = d.cli(t.Context(), "", "identities", "retired-item", id, m[1], "-evidence", "looked at it on its target, CHG-1208")
			}
		}
		return out, !toDo.MatchString(out)
	})
	mustSay(t, err)
}

// TestReq_R78_OneListOneSearchOneExport: people and machines stand in one list, are found by one search and leave in one export.
func TestReq_R78_OneListOneSearchOneExport(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles})
	const file = "id,kind,name,owner,backup,purpose,expires,target,account,scope,stored,secret_ref,revocation,serial,last_four,risk\n" +
		"svc-report,service_account,Report printer,maya,jonas,Prints the monthly report for finance.,2026-12-31,,,read;print,vault,vault:kv/report,runbook report-off,0A:FF,wxyz,high\n" +
		"key-ci,api_key,CI key,jonas,,Uploads build artefacts to the store.,2026-12-31,,,*,unmanaged,file:/etc/ci.key,,,abcd,\n"
	path := fileOf(t, "cmdb.csv", file)
	said(t, d.identityCLI(t, "import", path, "-source", "cmdb", "-dry-run"), "2 identities can be taken in; nothing was.")
	said(t, d.identityCLI(t, "import", path, "-source", "cmdb"), "2 new, 0 changed, 0 as they were")
	said(t, d.identityCLI(t, "import", path, "-source", "cmdb"), "0 new, 0 changed, 2 as they were")
	all := d.identityCLI(t, "list")
	said(t, all, "Maya Chen, a person", "svc-report", "key-ci", "unmanaged_secret", "over_scoped", "no_backup")
	for _, word := range []string{"maya", "report"} {
		if rows := d.listed(t, "search", word); len(rows) != 1 {
			t.Errorf("searching %q finds %d", word, len(rows))
		}
	}
	said(t, d.identityCLI(t, "who", "0a:ff"), "Report printer", "Owner: Maya Chen", "runbook report-off", "vault:kv/report")
	said(t, d.identityCLI(t, "who", "abcd"), "CI key")
	csv := d.identityCLI(t, "export")
	said(t, csv, `"maya","human","Maya Chen"`, `"svc-report","service_account"`, `"read;print"`, `unmanaged_secret`)
	said(t, d.identityCLI(t, "export", "-format", "json"), `"id":"svc-report"`, `"owner_key":"maya"`)
	said(t, d.identityCLI(t, "report"), "known from import/cmdb: 2", "over_scoped: it may do more than it uses, or everything")
}

// TestReq_R73_OneSecretForTwoIsAFinding: two identities with one secret are known by its keyed fingerprint, in the report and on each; a secret of
// its own, or the end of the other, puts it right (R15: the report also says how much is known, by source).
func TestReq_R73_OneSecretForTwoIsAFinding(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles})
	const file = "id,kind,owner,backup,purpose,expires,revocation,last_used\n" +
		"key-a,api_key,maya,jonas,Uploads build artefacts to the store.,2027-03-31,runbook off,2026-11-20\n" +
		"key-b,api_key,maya,jonas,Reads build artefacts from the store.,2027-03-31,runbook off,\n" +
		"key-c,api_key,maya,jonas,Prints the monthly report for finance.,2027-03-31,runbook off,\n"
	said(t, d.identityCLI(t, "import", fileOf(t, "cmdb.csv", file), "-source", "cmdb"), "3 new")
	secret := func(id, print string) {
		d.identityCLI(t, "rotate", id)
		d.identityCLI(t, "rotated", id, "-fingerprint", print, "-evidence", "the platform's page of keys, CHG-88")
	}
	report := func() (r inventoryReport) {
		var got reply
		mustSay(t, json.Unmarshal([]byte(d.identityCLI(t, "report", "-json")), &got))
		mustSay(t, json.Unmarshal(got.Data, &r))
		return r
	}
	secret("key-a", "SHA256:one")
	secret("key-b", "SHA256:two")
	secret("key-c", "SHA256:three")
	if n := report().Findings[identities.FindSharedPrint]; n != 0 {
		t.Fatalf("%d share a secret of their own", n)
	}
	secret("key-b", "SHA256:one")
	if n := report().Findings[identities.FindSharedPrint]; n != 2 {
		t.Errorf("%d are known to share a secret, want 2", n)
	}
	said(t, d.identityCLI(t, "report"), "shared_secret: another identity has the same secret", "known from import/cmdb: 3, of which 33 % have owner, purpose, end and last use")
	for id, want := range map[string]bool{"key-a": true, "key-b": true, "key-c": false} {
		if out := d.identityCLI(t, "show", id); strings.Contains(out, identities.FindSharedPrint) != want {
			t.Errorf("%s: want %t in\n%s", id, want, out)
		}
	}
	secret("key-a", "SHA256:four")
	if n := report().Findings[identities.FindSharedPrint]; n != 0 {
		t.Errorf("%d still share a secret that was replaced", n)
	}
}

// TestImportRefusesWholeFiles: one wrong row, and nothing of the file is taken; each is named with row and column.
func TestImportRefusesWholeFiles(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles})
	good := "svc-good,api_key,maya,Uploads build artefacts to the store.\n"
	for name, c := range map[string]struct{ file, want string }{
		"formula":       {"id,kind,owner,purpose\n" + good + "svc-a,api_key,maya,=cmd|' /C calc'!A0\n", "row 3, purpose: it begins like a formula"},
		"encoding":      {"id,kind,owner,purpose\n" + good + "svc-a,api_key,maya,Gr\xfc\xdfe an alle im Haus\n", "row 3, purpose: it is not UTF-8"},
		"twice":         {"id,kind,owner,purpose\n" + good + good, "row 3, id: svc-good is in the file already, at row 2"},
		"unknown owner": {"id,kind,owner,purpose\n" + good + "svc-a,api_key,nobody-here,Uploads build artefacts.\n", `row 3, owner: "nobody-here"`},
		"circle":        {"id,kind,owner\nsvc-a,api_key,svc-b\nsvc-b,api_key,svc-a\n", "row 2, owner: identities own each other in a circle: svc-a -> svc-b -> svc-a"},
		"column":        {"id,kind,owners\n", "row 1, owners: there is no such column"},
		"short row":     {"id,kind,owner,purpose\nsvc-a,api_key\n", "row 2: it has 2 cells"},
		"secret":        {"id,kind,secret_ref\nsvc-a,api_key,hunter2hunter2\n", "row 2, secret_ref: want a reference"},
	} {
		out, err := d.cli(t.Context(), "", "identities", "import", fileOf(t, "in.csv", c.file), "-source", "cmdb")
		if err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if rows := d.listed(t, "list", "-kind", "api_key"); len(rows) != 0 {
		t.Errorf("something was taken in: %+v", rows)
	}
	mustSay(t, d.slack.SetUser("kenji", func(u *slacksim.User) { u.Restricted = true }))
	guest, err := until(t.Context(), "a guest to be refused as owner", func() (string, bool) {
		out, err := d.cli(t.Context(), "", "identities", "import", fileOf(t, "guest.csv", "id,kind,owner,purpose\nsvc-a,api_key,kenji,Uploads build artefacts.\n"), "-source", "cmdb", "-dry-run")
		return out, err != nil
	})
	mustSay(t, err)
	said(t, guest, "row 2, owner", "Guests")
	big := fileOf(t, "big.csv", "")
	mustSay(t, os.Truncate(big, 1<<30))
	if out, err := d.cli(t.Context(), "", "identities", "import", big, "-source", "cmdb"); err == nil || !strings.Contains(out, "more than 128 MiB") {
		t.Errorf("a gigabyte: %v\n%s", err, out)
	}
}

// TestReq_R22_EveryKindComesIn: each kind of identity, in each format.
func TestReq_R22_EveryKindComesIn(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles})
	var csv, yaml strings.Builder
	csv.WriteString("id,kind,issuer,subject,serial,model,tools\n")
	yaml.WriteString("identities:\n")
	var list []map[string]any
	for _, k := range append(identities.MachineKinds(), identities.KindContractor) {
		id := strings.ReplaceAll(k, "_", "-")
		fmt.Fprintf(&csv, "c-%s,%s,https://issuer.example,sub-%s,01,m-1,sql;http\n", id, k, id)
		fmt.Fprintf(&yaml, "  - {id: y-%s, kind: %s, expires: 2026-12-31, tools: [sql, http]}\n", id, k)
		list = append(list, map[string]any{"id": "j-" + id, "kind": k, "rotate_every": "90d", "tags": []string{"pci"}})
	}
	text, err := json.Marshal(list)
	mustSay(t, err)
	for name, file := range map[string]string{"a.csv": csv.String(), "b.yaml": yaml.String(), "c.json": string(text)} {
		said(t, d.identityCLI(t, "import", fileOf(t, name, file), "-source", strings.TrimSuffix(name, filepath.Ext(name))), "10 new")
	}
	for _, k := range append(identities.MachineKinds(), identities.KindContractor) {
		id := strings.ReplaceAll(k, "_", "-")
		known := map[workflows.IdentityID]bool{}
		for _, r := range d.listed(t, "list", "-kind", k) {
			known[r.ID] = true
		}
		for _, from := range []string{"c-", "y-", "j-"} {
			if !known[workflows.IdentityID(from+id)] {
				t.Errorf("%s%s is not in the list of its kind", from, id)
			}
		}
		said(t, d.identityCLI(t, "show", "c-"+id), "Issuer: https://issuer.example; subject: sub-"+id+"; serial: 01", "Model: m-1; tools: sql, http")
	}
	csvOut := d.identityCLI(t, "export")
	for _, want := range []string{`"c-ai-agent","ai_agent"`, `"sub-ai-agent","01"`, `"sql;http"`, `"90d"`, `"pci"`, `"2027-01-01T00:00:00Z"`} {
		if !strings.Contains(csvOut, want) {
			t.Errorf("the export does not say %s:\n%s", want, csvOut)
		}
	}
}
