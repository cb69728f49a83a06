package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// R111: the kill switch of an AI agent is drilled for real. What it holds on a PostgreSQL ends, its account is locked and the desk refuses it; then the drill
// lifts its own quarantine, and the record of the agent says that day. Half a year later that is too long ago.
func TestReq_R111_TheKillSwitchIsDrilled(t *testing.T) {
	t.Parallel()
	pg := pgtest.Start(t, "fsync=off")
	target := pg.NewDatabase(t)
	pg.Exec(t, "postgres", `CREATE ROLE bot LOGIN CREATEROLE PASSWORD 'bot-pw'`, `GRANT pg_signal_backend TO bot`, `CREATE ROLE cs_readonly`,
		`GRANT cs_readonly TO bot WITH ADMIN OPTION`, `CREATE ROLE agent LOGIN PASSWORD 'agent-pw'`, `GRANT agent TO bot WITH ADMIN OPTION`)
	dsn := filepath.Join(t.TempDir(), "dsn")
	database, _, _ := strings.Cut(target[strings.LastIndex(target, "/")+1:], "?")
	mustSay(t, os.WriteFile(dsn, []byte(pg.URLFor("bot", "bot-pw", database)), 0o600))
	people, err := demoFiles.ReadFile("demo/org/people.yaml")
	mustSay(t, err)
	d := demoAsJonas(t, map[string]string{
		"targets/pg-main.yaml": strings.ReplaceAll(strings.Replace(pgTarget, "owner: jonas", "owner: sofia", 1), "DSNFILE", dsn), "workflows/prod-db-read.yaml": pgWorkflow,
		"people.yaml": strings.Replace(string(people), "    unix: maya\n", "    unix: maya\n    accounts: {pg-main: maya_pg}\n", 1), "roles.yaml": jonasRoles,
	})
	s, ctx := &story{demo: d}, t.Context()
	day := func(n int) string { return d.clock.Now().Wall.AddDate(0, 0, n).Format(time.DateOnly) }
	d.identityCLI(t, "import", fileOf(t, "cmdb.csv", "id,kind,name,owner,backup,purpose,expires,stored,revocation,target,account,model,tools,data_reach,autonomy,sponsor,retire_plan\n"+
		"agent-shop,ai_agent,Shop agent,jonas,maya,Answers questions about orders.,"+day(300)+",vault,runbook a,pg-main,agent,vendor/model-1,sql,orders,asks before it writes,jonas,delete its role\n"), "-source", "cmdb")
	said(t, d.identityCLI(t, "show", "agent-shop"), "agent_incomplete")

	request := requestIn(t, s.mustCLI(t, "request", "prod-db-read", "-for", "agent-shop", "-for-time", "1h", "-reason", "It answers the questions of today."))
	card, err := s.message(ctx, "access", "It answers the questions of today.")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "sofia", card, screens.ActApprove))
	member := func() bool {
		c, err := pgx.Connect(ctx, pg.URLFor("bot", "bot-pw", database))
		mustSay(t, err)
		defer c.Close(ctx)
		var is bool
		mustSay(t, c.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_auth_members WHERE roleid = 'cs_readonly'::regrole AND member = 'agent'::regrole)`).Scan(&is))
		return is
	}
	_, err = until(ctx, "the agent to hold "+request, func() (string, bool) { return "", member() })
	mustSay(t, err)
	if out, err := d.cli(ctx, "", "identities", "drill", "agent-shop", "-reason", "every half year"); err == nil || !strings.Contains(out, "It holds 1 grants now") || !member() {
		t.Fatalf("a drill without -yes of what holds access: %v\n%s", err, out)
	}
	var r reply
	mustSay(t, json.Unmarshal([]byte(d.identityCLI(t, "drill", "agent-shop", "-reason", "every half year", "-yes", "-json")), &r))
	var e identities.KillDrilled
	mustSay(t, json.Unmarshal(r.Data, &e))
	if !e.OK || e.Grants != 1 || e.Locked != "pg-main" || e.EmptyMS < e.RefusedMS || member() {
		t.Fatalf("%+v, %s; member: %v", e, r.Text, member())
	}
	out := d.identityCLI(t, "show", "agent-shop")
	said(t, out, "kill switch tried: "+day(0)+" by drill, 1 grant taken back in")
	if strings.Contains(out, "agent_incomplete") || strings.Contains(out, "kill_untested") {
		t.Errorf("its kill switch was tried today:\n%s", out)
	}
	said(t, s.mustCLI(t, "quarantine", "list"), "Nobody is quarantined.")
	said(t, s.mustCLI(t, "ledger", "search", "identity.kill_drilled"), "The drill of the kill switch of agent-shop by Jonas Weber went well")
	_, err = until(ctx, "its account to be let in again", func() (string, bool) {
		c, err := pgx.Connect(ctx, pg.URLFor("agent", "agent-pw", database))
		if err != nil {
			return "", false
		}
		return "", c.Close(ctx) == nil
	})
	mustSay(t, err)

	s.mustCLI(t, "revoke-all", "agent-shop", "-quarantine", "-reason", "it answers with other people's orders")
	if out, err := d.cli(ctx, "", "identities", "drill", "agent-shop", "-reason", "every half year", "-yes"); err == nil || !strings.Contains(out, "would prove nothing") {
		t.Errorf("a drill of what is quarantined: %v\n%s", err, out)
	}
	said(t, s.mustCLI(t, "quarantine", "list"), "agent-shop")
	mustSay(t, d.advance(ctx, 190*24*time.Hour))
	said(t, d.identityCLI(t, "show", "agent-shop"), "kill_untested", "countersign identities drill agent-shop -reason TEXT")
	said(t, d.identityCLI(t, "list"), "kill_untested")
	if out, err := d.cli(ctx, "", "ledger", "verify"); err != nil {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}
