package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
)

const pgTarget = `id: pg-main
title: Main database
connector: postgres
owner: jonas
environment: production
data_class: personal
settings:
  dsn_file: DSNFILE
entitlements:
  - id: readonly
    title: Read the main database
    description: Reads every table. Changes nothing.
    business_task: Answering support cases.
    review_date: 2036-01-01
    longest: 4h
    shared: true
    account: true
    params:
      role: cs_readonly
`

const pgWorkflow = `id: prod-db-read
title: Read the main database
purpose: For support cases.
kind: elevation
owner: jonas
may_ask:
  groups: [engineers]
for: [self, owned]
grants: [pg-main/readonly]
longest: 4h
usual: 1h
reason_min: 10
channel: "#access"
seen_by: parties
stages:
  - name: Owner
    approvers:
      target_owner: true
    quorum: 1
    timeout: 8h
`

// pgDemo is the whole product with its ledger on a real PostgreSQL and a second one's role as the target.
func pgDemo(t *testing.T) (*demo, *pgtest.Server, string) {
	t.Helper()
	pg := pgtest.Start(t, "fsync=off")
	ledgerURL, target := pg.NewDatabase(t), pg.NewDatabase(t)
	pg.Exec(t, "postgres",
		`CREATE ROLE bot LOGIN CREATEROLE PASSWORD 'bot-pw'`, `GRANT pg_signal_backend TO bot`,
		`CREATE ROLE cs_readonly`, `GRANT cs_readonly TO bot WITH ADMIN OPTION`, `CREATE ROLE maya_pg LOGIN PASSWORD 'maya-pw'`)
	dir := t.TempDir()
	dsn := filepath.Join(dir, "dsn")
	database := target[strings.LastIndex(target, "/")+1:]
	database, _, _ = strings.Cut(database, "?")
	if err := os.WriteFile(dsn, []byte(pg.URLFor("bot", "bot-pw", database)), 0o600); err != nil {
		t.Fatal(err)
	}
	people, err := demoFiles.ReadFile("demo/org/people.yaml")
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDemoOf(t.Context(), proc{out: io.Discard, err: io.Discard}, demoSetup{
		exe: exe, dir: filepath.Join(dir, "demo"), listen: "127.0.0.1:0", env: map[string]string{"DATABASE": ledgerURL},
		files: map[string]string{
			"targets/pg-main.yaml":        strings.ReplaceAll(pgTarget, "DSNFILE", dsn),
			"workflows/prod-db-read.yaml": pgWorkflow,
			"people.yaml":                 strings.Replace(string(people), "    unix: maya\n", "    unix: maya\n    accounts: {pg-main: maya_pg}\n", 1),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	return d, pg, pg.URLFor("maya_pg", "maya-pw", database)
}

// TestPostgres_ElevationEndToEnd: the ledger lives on a real PostgreSQL, and an approved request makes somebody a member of a role on a
// real PostgreSQL; at the end the open session that uses it is cut, the membership is gone, and the ledger verifies.
func TestPostgres_ElevationEndToEnd(t *testing.T) {
	t.Parallel()
	d, _, mine := pgDemo(t)
	s := &story{demo: d}
	ctx := t.Context()
	mustSay(t, s.command(ctx, "maya", "/access", "request prod-db-read"))
	_, err := s.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	mustSay(t, s.submit(ctx, "maya", map[string]any{screens.BlockDuration: "1h", screens.BlockReason: "A customer asks why her invoice is wrong."}))
	card, err := s.message(ctx, "access", "Maya Chen", "Read the main database")
	mustSay(t, err)
	if err := setRole(ctx, t, mine, nil); err == nil {
		t.Fatal("Maya could use the role before anybody approved it")
	}
	mustSay(t, s.press(ctx, "jonas", card, screens.ActApprove))
	_, err = s.dm(ctx, "maya", "ready: you can use", "Read the main database")
	mustSay(t, err)

	conn, err := pgx.Connect(ctx, mine)
	mustSay(t, err)
	defer conn.Close(ctx)
	if err := setRole(ctx, t, mine, conn); err != nil {
		t.Fatalf("Maya cannot use the role that was approved: %v", err)
	}
	mustSay(t, d.advance(ctx, 61*time.Minute))
	_, err = s.message(ctx, "access", "Maya Chen", "access expired")
	mustSay(t, err)
	var one int
	err = conn.QueryRow(ctx, "SELECT 1").Scan(&one)
	var pgErr *pgconn.PgError
	if err == nil || (errors.As(err, &pgErr) && pgErr.Code != "57P01") {
		t.Errorf("the session that used the role lives on: %v", err)
	}
	if err := setRole(ctx, t, mine, nil); err == nil {
		t.Error("the membership outlived the grant")
	}
	out, err := d.ledger(ctx, "verify")
	if err != nil || !strings.Contains(out, "intact") {
		t.Errorf("the ledger on PostgreSQL does not verify: %v\n%s", err, out)
	}
}

// TestReq_R52_StandingAccessIsShown: somebody made Maya a member of the role by hand. When she asks for it, the card says so to those who
// decide, and it stays in the record; when it has been taken away, it does not.
func TestReq_R52_StandingAccessIsShown(t *testing.T) {
	t.Parallel()
	d, pg, _ := pgDemo(t)
	s := &story{demo: d}
	ctx := t.Context()
	ask := func(reason string) {
		t.Helper()
		mustSay(t, s.command(ctx, "maya", "/access", "request prod-db-read"))
		_, err := s.view(ctx, "maya", screens.CallForm)
		mustSay(t, err)
		mustSay(t, s.submit(ctx, "maya", map[string]any{screens.BlockDuration: "1h", screens.BlockReason: reason}))
	}
	const words = "The holder has this already, by no grant of ours."
	pg.Exec(t, "postgres", `GRANT cs_readonly TO maya_pg`)
	ask("A customer asks why her invoice is wrong.")
	_, err := s.message(ctx, "access", "why her invoice is wrong", words)
	mustSay(t, err)
	out, err := d.ledger(ctx, "show", "-last", "0", "-json")
	mustSay(t, err)
	if !strings.Contains(out, `"already":true`) {
		t.Error("the record does not say so")
	}
	pg.Exec(t, "postgres", `REVOKE cs_readonly FROM maya_pg`)
	ask("Another customer asks the same thing.")
	m, err := s.message(ctx, "access", "Another customer asks the same thing.")
	mustSay(t, err)
	if strings.Contains(m.Visible(), words) {
		t.Error("standing access is shown that was taken away")
	}
}

// TestPostgres_StoryWithKill plays the demo's story with the ledger on PostgreSQL and the bot killed while the access is being made. (A
// lease on PostgreSQL outlives its process by ten seconds, so killing it at every step would take minutes.)
func TestPostgres_StoryWithKill(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short: the story on PostgreSQL takes half a minute")
	}
	d, _, _ := pgDemo(t)
	if err := d.play(t.Context(), "approve-east"); err != nil {
		t.Fatal(err)
	}
}

func mustSay(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// setRole tries to take the role on a connection, or on a new one.
func setRole(ctx context.Context, t *testing.T, url string, conn *pgx.Conn) error {
	t.Helper()
	if conn == nil {
		c, err := pgx.Connect(ctx, url)
		var ended *pgconn.PgError
		if errors.As(err, &ended) && ended.Code == "57P01" { // its sessions are just being ended, this one too
			return err
		}
		mustSay(t, err)
		defer c.Close(ctx)
		conn = c
	}
	_, err := conn.Exec(ctx, "SET ROLE cs_readonly")
	return err
}
