package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/store/storetest/pgtest"
)

// R108 (PCI DSS 8.2.6): what nobody used for as long as countersign.yaml says is suspended, and a real PostgreSQL lets its account in no more; its owner was
// told before. What is used meanwhile goes on, and what security lets go on is not suspended the next day.
func TestReq_R108_WhatNobodyUsesIsSuspendedOnItsTarget(t *testing.T) {
	t.Parallel()
	pg := pgtest.Start(t, "fsync=off")
	target := pg.NewDatabase(t)
	pg.Exec(t, "postgres", `CREATE ROLE bot LOGIN CREATEROLE PASSWORD 'bot-pw'`, `GRANT pg_signal_backend TO bot`, `CREATE ROLE cs_readonly`,
		`CREATE ROLE sleepy LOGIN PASSWORD 'sleepy-pw'`, `GRANT sleepy TO bot WITH ADMIN OPTION`)
	dsn := filepath.Join(t.TempDir(), "dsn")
	database, _, _ := strings.Cut(target[strings.LastIndex(target, "/")+1:], "?")
	mustSay(t, os.WriteFile(dsn, []byte(pg.URLFor("bot", "bot-pw", database)), 0o600))
	company, err := demoFiles.ReadFile("demo/org/countersign.yaml")
	mustSay(t, err)
	people, err := demoFiles.ReadFile("demo/org/people.yaml")
	mustSay(t, err)
	d := demoAsJonas(t, map[string]string{
		"people.yaml":          strings.Replace(string(people), "    unix: maya\n", "    unix: maya\n    accounts: {pg-main: maya_pg}\n", 1),
		"targets/pg-main.yaml": strings.ReplaceAll(pgTarget, "DSNFILE", dsn), "workflows/prod-db-read.yaml": pgWorkflow, "roles.yaml": jonasRoles,
		"countersign.yaml": string(company) + "\nunused: {suspend_after: 90d, warn: 14d}\n",
	})
	s := &story{demo: d}
	letIn := func() bool {
		c, err := pgx.Connect(t.Context(), pg.URLFor("sleepy", "sleepy-pw", database))
		if err != nil {
			return false
		}
		mustSay(t, c.Close(t.Context()))
		return true
	}
	day := func(n int) string { return d.clock.Now().Wall.AddDate(0, 0, n).Format(time.DateOnly) }
	import3 := func(sleepy, awake string) {
		t.Helper()
		d.identityCLI(t, "import", fileOf(t, "cmdb.csv", "id,kind,name,owner,backup,purpose,expires,last_used,stored,revocation,target,account\n"+
			"svc-sleepy,service_account,Sleepy,maya,jonas,Prints the yearly report.,"+day(300)+","+sleepy+",vault,runbook a,pg-main,sleepy\n"+
			"svc-awake,service_account,Awake,maya,jonas,Sends the weekly mails.,"+day(300)+","+awake+",vault,runbook b,,\n"+
			"svc-never,service_account,Never,maya,jonas,Nobody knows when it was used.,"+day(300)+",,vault,runbook c,,\n"), "-source", "cmdb")
	}
	pass := func(days int) {
		t.Helper()
		d.awaitOccurrence(t, jobUnused)
		mustSay(t, d.advance(t.Context(), time.Duration(days)*24*time.Hour))
		d.awaitOccurrence(t, jobUnused)
	}
	last := day(-70)
	import3(last, last)
	pass(1)
	if !letIn() {
		t.Fatal("it is used less than 90 days ago, and is not let in")
	}
	pass(7) // 78 days: two weeks before
	_, err = s.told(t.Context(), "maya", "access", "nobody uses: 2", "svc-sleepy: not used since "+last, "/access identity svc-sleepy")
	mustSay(t, err)
	if out := d.identityCLI(t, "show", "svc-sleepy"); strings.Contains(out, "Suspended") || !letIn() {
		t.Errorf("its owner was only just told:\n%s", out)
	}
	import3(last, day(-1))
	pass(15)
	out, err := until(t.Context(), "what nobody uses to be suspended, and locked on its target", func() (string, bool) {
		out := d.identityCLI(t, "show", "svc-sleepy")
		return out, strings.Contains(out, "Suspended: unused") && !letIn()
	})
	mustSay(t, err)
	said(t, out, "svc-sleepy")
	for _, id := range []string{"svc-awake", "svc-never"} {
		if out := d.identityCLI(t, "show", id); strings.Contains(out, "Suspended") {
			t.Errorf("%s is suspended:\n%s", id, out)
		}
	}

	d.identityCLI(t, "resume", "svc-sleepy", "-reason", "the yearly report is due next week")
	_, err = until(t.Context(), "it to be let in again", func() (string, bool) { return "", letIn() })
	mustSay(t, err)
	pass(2)
	if out := d.identityCLI(t, "show", "svc-sleepy"); strings.Contains(out, "Suspended") {
		t.Errorf("security let it go on, and it is suspended the next day:\n%s", out)
	}
	if out, err := d.cli(t.Context(), "", "ledger", "verify"); err != nil {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}
