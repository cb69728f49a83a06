package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// threeHundred is the inventory of a company of three hundred identities, most of them in order.
func threeHundred() string {
	var b strings.Builder
	b.WriteString("id,kind,name,owner,backup,purpose,expires,environment,stored,secret_ref,revocation,last_used,managed_by,scope\n")
	for i := range 300 {
		kind := []string{"service_account", "api_key", "certificate", "ai_agent"}[i%4]
		owner, backup, purpose, expires, stored, path, scope := "maya", "jonas", "Does part "+fmt.Sprint(i)+" of the shop.", "2027-05-31", "vault", "runbook off", "read"
		switch {
		case i%50 == 7:
			owner, backup = "", ""
		case i%60 == 11:
			stored = "unmanaged"
		case i%75 == 13:
			expires = "2026-12-10"
		case i%100 == 17:
			scope = "*"
		}
		fmt.Fprintf(&b, "id-%03d,%s,Identity %d,%s,%s,%s,%s,%s,%s,%s,%s,2026-11-20,%s,%s\n", i, kind, i, owner, backup, purpose, expires,
			[]string{"production", "staging"}[i%2], stored, "vault:kv/id-"+fmt.Sprint(i), path, []string{"internal", "vendor"}[i/290], scope)
	}
	return b.String()
}

// TestReq_R14_TheReportForWhoeverIsAccountable: of three hundred identities the report says first how things stand and what cannot wait, then what is to be
// decided with examples, who has to, and what ends soon, with exactly the numbers that the inventory holds; as Markdown, as a page, and as numbers.
func TestReq_R14_TheReportForWhoeverIsAccountable(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles})
	said(t, d.identityCLI(t, "import", fileOf(t, "cmdb.csv", threeHundred()), "-source", "cmdb"), "300 new")
	page := d.identityCLI(t, "report", "-format", "md")
	said(t, page, "# Non-human identities, as of ", "301 identities let programs, pipelines and agents work for the company.", "Somebody answers for 295 of them (98 %)",
		"should be decided this month", "## What has to be decided", "| this month | 6 | – | – | Nobody answers for it (`unowned`) | claim it, or take it off | `id-007`, `id-057`, `id-107`, `id-157`, `id-207`, and 1 more |",
		"| this month | 5 | – | – | Its secret lies where nobody keeps it (`unmanaged_secret`) |", "| `unowned` | claim it: `identities claim ID -purpose TEXT -expires DAY`; or `identities retire ID -reason TEXT` |", "## How it changes", "No week before this one is on record yet", "| **nobody** | 6 | security says who |", "## Who has to act", "| Maya Chen | 295 |",
		"| service account | 76 |", "| vendor | 10 |", "## What ends within 30 days", "| 2026-12-10 | `id-013` |", "| import/cmdb | 300 |", "out of the ledger demo.invalid/")
	if before, after, _ := strings.Cut(page, "| at the next review |"); !strings.Contains(before, "| this month |") || strings.Contains(after, "| this month |") {
		t.Errorf("what is more urgent does not come first:\n%s", page)
	}
	html := d.identityCLI(t, "report", "-format", "html")
	said(t, html, "<title>", "<table>", "Nobody answers for it", "id-007")
	for _, foreign := range []string{"<script", "http://", "src="} {
		if strings.Contains(html, foreign) {
			t.Errorf("the page holds %q", foreign)
		}
	}
	var r reply
	mustSay(t, json.Unmarshal([]byte(d.identityCLI(t, "report", "-json")), &r))
	var rep inventoryReport
	mustSay(t, json.Unmarshal(r.Data, &rep))
	if rep.Live != 301 || rep.Owned != 295 || len(rep.Owners) == 0 || rep.Findings["unowned"] != 6 || len(rep.Ending) != 4 {
		t.Errorf("the numbers are %+v", rep.inventorySurvey)
	}
	if out, err := d.cli(t.Context(), "", "identities", "report", "-format", "pdf"); err == nil {
		t.Errorf("a format that there is not:\n%s", out)
	}
	t.Logf("\n%s", page)
}

// TestReq_R27_WhatHasNoWayBackIsListed: of what comes in, the one identity for which neither a target nor a written path says how to take it back is a finding of the
// list and of the report, and stops being one when a path is written down.
func TestReq_R27_WhatHasNoWayBackIsListed(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles})
	const head = "id,kind,name,owner,backup,purpose,expires,environment,stored,secret_ref,revocation,last_used,managed_by,scope\n"
	row := func(id, path string) string {
		return id + ",api_key," + id + ",maya,jonas,Prints labels.,2027-05-31,production,vault,vault:kv/" + id + "," + path + ",2026-11-20,internal,read\n"
	}
	d.identityCLI(t, "import", fileOf(t, "cmdb.csv", head+row("with-path", "runbook off")+row("without", "")), "-source", "cmdb")
	list := d.identityCLI(t, "list", "-finding", "no_revocation")
	said(t, list, "without")
	if strings.Contains(list, "with-path") {
		t.Errorf("what can be taken back is listed:\n%s", list)
	}
	said(t, d.identityCLI(t, "report", "-format", "md"), "| this month | 2 | – | – | Nothing says how to take it back in an emergency (`no_revocation`) | write down how it is taken back, or take it off | `svc-deploy`, `without` |") // the demo's own has none either
	d.identityCLI(t, "import", fileOf(t, "cmdb.csv", head+row("with-path", "runbook off")+row("without", "runbook label-off")), "-source", "cmdb")
	if list := d.identityCLI(t, "list", "-finding", "no_revocation"); strings.Contains(list, "without") {
		t.Errorf("a path is written down, and it is listed:\n%s", list)
	}
}
