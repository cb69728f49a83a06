package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
)

// driftDemo is a demo whose tests act as Jonas, the owner of a role on a real PostgreSQL; settings are lines of the target's settings.
func driftDemo(t *testing.T, settings ...string) (*demo, *pgtest.Server, string) {
	t.Helper()
	return driftDemoOf(t, map[string]string{}, settings...)
}

// driftDemoOf is driftDemo with further files of the configuration folder.
func driftDemoOf(t *testing.T, files map[string]string, settings ...string) (*demo, *pgtest.Server, string) {
	t.Helper()
	pg := pgtest.Start(t, "fsync=off", "track_commit_timestamp=on")
	target := pg.NewDatabase(t)
	pg.Exec(t, "postgres",
		`CREATE ROLE bot LOGIN CREATEROLE PASSWORD 'bot-pw'`, `GRANT pg_signal_backend, pg_read_all_stats TO bot`, `CREATE ROLE dba LOGIN SUPERUSER PASSWORD 'dba-pw'`,
		`CREATE ROLE cs_readonly`, `GRANT cs_readonly TO bot WITH ADMIN OPTION`, `CREATE ROLE maya_pg LOGIN PASSWORD 'maya-pw'`,
		`CREATE ROLE mallory LOGIN PASSWORD 'mallory-pw'`, `CREATE ROLE canary LOGIN PASSWORD 'canary-pw'`)
	dsn := filepath.Join(t.TempDir(), "dsn")
	database, _, _ := strings.Cut(target[strings.LastIndex(target, "/")+1:], "?")
	mustSay(t, os.WriteFile(dsn, []byte(pg.URLFor("bot", "bot-pw", database)), 0o600))
	text := strings.ReplaceAll(pgTarget, "DSNFILE", dsn)
	for _, s := range settings {
		text = strings.Replace(text, "settings:\n", "settings:\n  "+s+"\n", 1)
	}
	people, err := demoFiles.ReadFile("demo/org/people.yaml")
	mustSay(t, err)
	files["targets/pg-main.yaml"], files["workflows/prod-db-read.yaml"] = text, pgWorkflow
	files["people.yaml"] = strings.Replace(string(people), "    unix: maya\n", "    unix: maya\n    accounts: {pg-main: maya_pg}\n", 1)
	return demoAsJonas(t, files), pg, database
}

// drift asks as Jonas.
func (d *demo) drift(ctx context.Context, t *testing.T, args ...string) driftReport {
	t.Helper()
	out, err := d.cli(ctx, "", append([]string{"drift", "pg-main", "-json"}, args...)...)
	if err != nil {
		t.Fatalf("countersign drift: %v\n%s", err, out)
	}
	var r reply
	mustSay(t, json.Unmarshal([]byte(out), &r))
	var list []driftReport
	mustSay(t, json.Unmarshal(r.Data, &list))
	if len(list) != 1 || list[0].Error != "" || list[0].Unread != "" {
		t.Fatalf("drift says %s", out)
	}
	return list[0]
}

func (r driftReport) of(account string) (driftFinding, bool) {
	for _, f := range r.Findings {
		if f.Account == account {
			return f, true
		}
	}
	return driftFinding{}, false
}

// TestReq_R66_DriftIsReported: an administrator makes somebody a member of a role by hand. It is found with who made it and when, the owner and
// security are told once, and it is left alone until somebody answers for it or it is gone. The bot touches nothing.
func TestReq_R66_DriftIsReported(t *testing.T) {
	t.Parallel()
	d, pg, database := driftDemo(t, "drift_schedule: never", "known_access: canary")
	ctx := t.Context()
	if r := d.drift(ctx, t); r.Open != 1 { // the superuser dba
		t.Fatalf("on a server that nobody touched: %+v", r)
	}
	execAs(t, pg.URLFor("dba", "dba-pw", database), `GRANT cs_readonly TO mallory`, `GRANT cs_readonly TO canary`)
	r := d.drift(ctx, t)
	f, ok := r.of("mallory")
	if !ok || f.Why != "unknown" || f.Act != "report" || f.MadeBy != "dba" || f.MadeAt == "" || !strings.Contains(f.What, "cs_readonly") {
		t.Fatalf("found %+v", r)
	}
	if _, told := r.of("canary"); told {
		t.Error("an account of known_access is reported")
	}
	s := &story{demo: d}
	_, err := s.dm(ctx, "jonas", "Main database", "mallory is member of the role cs_readonly", "made by dba")
	mustSay(t, err)
	_, err = s.message(ctx, "security", "Main database", "mallory is member of the role cs_readonly")
	mustSay(t, err)
	mustSay(t, s.command(ctx, "jonas", "/access", "drift pg-main")) // the same from the chat, for its owner and security
	mustSay(t, s.command(ctx, "sofia", "/access", "drift"))
	for _, who := range []string{"jonas", "sofia"} {
		if _, err := s.told(ctx, who, "access", "Main database", "mallory is member of the role cs_readonly"); err != nil {
			t.Error(err)
		}
	}
	mustSay(t, s.command(ctx, "maya", "/access", "drift pg-main"))
	if _, err := s.told(ctx, "maya", "access", "it is not yours to look at"); err != nil {
		t.Error(err)
	}
	if again := d.drift(ctx, t); again.Open != 2 || again.Findings[1].Finding != f.Finding {
		t.Errorf("a second look finds %+v", again)
	}
	if out, err := d.cli(ctx, "", "drift", "accept", "pg-main", f.Finding); err == nil {
		t.Errorf("answering for it without a reason:\n%s", out)
	}
	out, err := d.cli(ctx, "", "drift", "accept", "pg-main", f.Finding, "-reason", "The quarterly audit reads with it.")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r := d.drift(ctx, t); r.Open != 1 {
		t.Errorf("somebody answers for it, and it is reported: %+v", r)
	}
	execAs(t, pg.URLFor("dba", "dba-pw", database), `REVOKE cs_readonly FROM mallory`)
	if r := d.drift(ctx, t); len(r.Findings) != 1 {
		t.Errorf("it is gone, and still stands: %+v", r)
	}
	out, err = d.ledger(ctx, "show", "-last", "0")
	mustSay(t, err)
	said(t, out, "drift.found", "drift.swept", "drift.accepted", "drift.cleared")
	out, err = d.ledger(ctx, "verify")
	if err != nil || !strings.Contains(out, "intact") {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}

// TestReq_R83_DriftIsRevoked: where the settings say so, the schedule finds what was made by hand, takes it away and ends its sessions. What was
// approved stays, and an account that a hand took it from is reported.
func TestReq_R83_DriftIsRevoked(t *testing.T) {
	t.Parallel()
	d, pg, database := driftDemo(t, "on_unknown_access: revoke", `drift_schedule: "*/5 * * * *"`, "known_access: dba")
	ctx, s := t.Context(), &story{demo: d}
	s.reads(ctx, t, "4h")

	mine, err := pgx.Connect(ctx, pg.URLFor("maya_pg", "maya-pw", database))
	mustSay(t, err)
	defer mine.Close(context.Background())
	usedBy(ctx, t, s, "In use now", "maya_pg")
	mustSay(t, mine.Close(ctx))

	execAs(t, pg.URLFor("dba", "dba-pw", database), `GRANT cs_readonly TO mallory`)
	url := pg.URLFor("mallory", "mallory-pw", database)
	open, err := pgx.Connect(ctx, url)
	mustSay(t, err)
	defer open.Close(context.Background())
	mustSay(t, setRole(ctx, t, url, open))
	mustSay(t, d.advance(ctx, 6*time.Minute))
	_, err = s.message(ctx, "security", "mallory is member of the role cs_readonly")
	mustSay(t, err)
	r, err := until2(ctx, func() (driftReport, error) {
		r := d.drift(ctx, t, "-last")
		if f, there := r.of("mallory"); there {
			return r, errors.New(f.Sentence)
		}
		return r, nil
	})
	if err != nil {
		t.Fatalf("mallory's membership still stands: %+v", r)
	}
	var one int
	if err := open.QueryRow(ctx, "SELECT 1").Scan(&one); err == nil {
		t.Error("the session that used it lives on")
	}
	if err := setRole(ctx, t, url, nil); err == nil {
		t.Error("the role can be taken on again")
	}
	if err := setRole(ctx, t, pg.URLFor("maya_pg", "maya-pw", database), nil); err != nil {
		t.Errorf("what was approved is gone, too: %v", err)
	}
	execAs(t, pg.URLFor("dba", "dba-pw", database), `REVOKE cs_readonly FROM maya_pg`)
	if f, ok := d.drift(ctx, t).of("maya_pg"); !ok || f.Why != "vanished" || f.Grant == "" {
		t.Errorf("access vanished and is told as %+v", f)
	}
	out, err := d.ledger(ctx, "verify")
	if err != nil || !strings.Contains(out, "intact") {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}

// TestReq_R68_Drill: a canary's access is made, read back, taken back and read back; what goes wrong is told to owner and security.
func TestReq_R68_Drill(t *testing.T) {
	t.Parallel()
	d, pg, database := driftDemo(t, "drift_schedule: never", `drill_schedule: "0 4 * * *"`, "drill_entitlement: readonly", "drill_account: canary")
	ctx, s := t.Context(), &story{demo: d}
	out, err := d.cli(ctx, "", "drill", "pg-main")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said(t, out, "succeeded", "readonly", "Nobody was let in") // it is Maya who knows the password
	if n := d.drift(ctx, t).Open; n != 1 {                     // the superuser
		t.Errorf("after the drill %d findings stand", n)
	}
	// A hand has made the canary a member, too: taking back cannot succeed as it must.
	execAs(t, pg.URLFor("dba", "dba-pw", database), `DROP ROLE canary`)
	mustSay(t, d.advance(ctx, 24*time.Hour))
	_, err = s.message(ctx, "security", "Drill failed", "Main database")
	mustSay(t, err)
	_, err = s.dm(ctx, "jonas", "Drill failed", "Main database")
	mustSay(t, err)
	if out, err := d.cli(ctx, "", "drill", "pg-main"); err == nil {
		t.Errorf("a drill that cannot work succeeded:\n%s", out)
	}
	out, err = d.ledger(ctx, "verify")
	if err != nil || !strings.Contains(out, "intact") {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}

// execAs runs statements as somebody of the database.
func execAs(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	mustSay(t, err)
	defer conn.Close(t.Context())
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// usedBy waits until the card says so; the clock goes on meanwhile, as targets are asked every few seconds.
func usedBy(ctx context.Context, t *testing.T, s *story, words ...string) {
	t.Helper()
	mustSay(t, s.advance(ctx, time.Minute))
	_, err := s.message(ctx, "access", append(words, "Maya Chen", "Read the main database")...)
	mustSay(t, err)
}

// TestReq_R54_SessionsAreEvidence: whoever uses what was granted stands on the card while they do, and in the ledger for good: login, origin,
// client, beginning. Revoking ends the sessions, which is on record, too, and leaves those of others alone.
func TestReq_R54_SessionsAreEvidence(t *testing.T) {
	t.Parallel()
	d, pg, database := driftDemo(t, "drift_schedule: never")
	ctx, s := t.Context(), &story{demo: d}
	mustSay(t, s.command(ctx, "maya", "/access", "request prod-db-read"))
	_, err := s.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	mustSay(t, s.submit(ctx, "maya", map[string]any{screens.BlockDuration: "1h", screens.BlockReason: "A customer asks why her invoice is wrong."}))
	card, err := s.message(ctx, "access", "Maya Chen", "Read the main database")
	mustSay(t, err)
	waiting, err := d.cli(ctx, "", "list")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "jonas", card, screens.ActApprove))
	_, err = s.dm(ctx, "maya", "ready: you can use", "Read the main database")
	mustSay(t, err)
	conn, err := pgx.Connect(ctx, pg.URLFor("maya_pg", "maya-pw", database)+"?application_name=invoices")
	mustSay(t, err)
	defer conn.Close(context.Background())
	other, err := pgx.Connect(ctx, pg.URLFor("mallory", "mallory-pw", database))
	mustSay(t, err)
	defer other.Close(context.Background())
	usedBy(ctx, t, s, "In use now", "maya_pg with invoices")
	mustSay(t, s.slack.OpenHome(ctx, s.slackID("maya")).Err)
	_, err = until2(ctx, func() (string, error) { // who holds it sees it on their own page, too
		v, ok := s.slack.Home(s.slackID("maya"))
		if text := v.Visible(); !ok || !strings.Contains(text, "In use now") || !strings.Contains(text, "maya_pg with invoices") {
			return text, errors.New("the Home page does not say who uses it")
		}
		return "", nil
	})
	mustSay(t, err)
	used, err := d.cli(ctx, "", "status", requestIn(t, waiting))
	mustSay(t, err)
	said(t, used, "maya_pg from 127.0.0.1 with invoices")
	mustSay(t, s.press(ctx, "jonas", card, screens.ActRevoke))
	_, err = s.view(ctx, "jonas", screens.CallRevoke)
	mustSay(t, err)
	mustSay(t, s.submit(ctx, "jonas", map[string]any{screens.BlockReason: "The customer called back."}))
	_, err = s.message(ctx, "access", "Maya Chen", "access revoked")
	mustSay(t, err)
	var one int
	if err := conn.QueryRow(ctx, "SELECT 1").Scan(&one); err == nil {
		t.Error("the session lives on")
	}
	if err := other.QueryRow(ctx, "SELECT 1").Scan(&one); err != nil {
		t.Errorf("somebody else's session was ended, too: %v", err)
	}
	out, err := d.cli(ctx, "", "status", requestIn(t, waiting))
	mustSay(t, err)
	said(t, out, "Session: maya_pg from 127.0.0.1 with invoices", "ended by the revocation")
	out, err = d.ledger(ctx, "show", "-last", "0", "-json")
	mustSay(t, err)
	said(t, out, "grant.session_seen", `"sessions_ended":"1"`)
	out, err = d.ledger(ctx, "verify")
	if err != nil || !strings.Contains(out, "intact") {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}

// TestReq_R79_DoctorHoldsTheFilesAgainstTheTarget: an entitlement that names a role which the server does not have (any more) is found by
// doctor; R75: so is a bot's account that can do more than it must.
func TestReq_R79_DoctorHoldsTheFilesAgainstTheTarget(t *testing.T) {
	t.Parallel()
	d, pg, _ := driftDemo(t, "drift_schedule: never")
	out, err := doctored(t, d, nil)
	if err != nil {
		t.Fatalf("everything is in order, and doctor says\n%s", out)
	}
	said(t, out, "entitlement readonly is there on the target", "1 thing can be granted: cs_readonly", "is not a superuser", "sees where sessions come from")
	pg.Exec(t, "postgres", `ALTER ROLE cs_readonly RENAME TO cs_reader`, `ALTER ROLE bot SUPERUSER`)
	out, err = doctored(t, d, nil)
	if err == nil {
		t.Errorf("the role is gone and the bot a superuser, and doctor is content:\n%s", out)
	}
	said(t, out, "NOT OK  target pg-main: entitlement readonly is there", "NOT OK  target pg-main: the bot's account is a superuser")
}

// R52: Maya, whom the files know, has for good what she could ask for. A sweep finds that with who answers for it and a deadline, and tells the
// owner again when the deadline has passed; a stranger's access is no such thing.
func TestReq_R52_SweepsFindStandingAccess(t *testing.T) {
	t.Parallel()
	d, pg, database := driftDemo(t, "drift_schedule: never", "standing_for: 14d")
	ctx := t.Context()
	execAs(t, pg.URLFor("dba", "dba-pw", database), `GRANT cs_readonly TO maya_pg`, `GRANT cs_readonly TO mallory`)
	r := d.drift(ctx, t)
	f, _ := r.of("maya_pg")
	if f.Why != "standing" || f.Could != "readonly" || f.Owner == "" || f.Due == "" || !strings.Contains(f.Sentence, "readonly gives for a time") {
		t.Fatalf("%+v", r)
	}
	if f, _ := r.of("mallory"); f.Why != "unknown" || f.Due != "" {
		t.Errorf("%+v", f)
	}
	s := &story{demo: d}
	_, err := s.dm(ctx, "jonas", "maya_pg is member of the role cs_readonly for good")
	mustSay(t, err)
	mustSay(t, d.advance(ctx, 15*24*time.Hour))
	d.drift(ctx, t)
	_, err = s.dm(ctx, "jonas", "maya_pg is member of the role cs_readonly for good", "was to be gone, or answered for")
	mustSay(t, err)
	execAs(t, pg.URLFor("dba", "dba-pw", database), `REVOKE cs_readonly FROM maya_pg`)
	if _, still := d.drift(ctx, t).of("maya_pg"); still {
		t.Error("it is gone, and still found")
	}
	out, err := d.ledger(ctx, "verify")
	if err != nil || !strings.Contains(out, "intact") {
		t.Errorf("%v\n%s", err, out)
	}
}
