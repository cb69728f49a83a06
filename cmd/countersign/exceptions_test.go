package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
)

const legacyTarget = `  - id: legacy-login
    title: Login of the old stock program
    description: Reads and writes the stock tables.
    business_task: Keeping the stock until the new program is there.
    review_date: 2036-01-01
    shared: true
    account: true
    params:
      role: cs_readonly
`

const legacyWorkflow = `id: legacy-login
title: Exception for an old login
purpose: For logins of old programs that cannot take a new password by themselves.
kind: exception
owner: jonas
may_ask:
  groups: [engineers]
for: [owned]
grants: [pg-main/legacy-login]
fields:
  - {name: exit_plan, label: How it will not be needed any more, type: text}
exception:
  control: expiry
  checks:
    - {kind: rotated_within, within: 30d}
    - {kind: used_from, from: [127.0.0.0/8, "::1/128"]}
    - {kind: alert_on_use}
  higher: CISO
longest: 90d
channel: "#access"
stages:
  - name: Owner of the database
    approvers: {people: [jonas]}
    timeout: 7d
  - name: CISO
    approvers: {people: [sofia]}
    timeout: 7d
`

// TestReq_R33_AnExceptionForALoginThatCannotExpire: a login of a real PostgreSQL that cannot expire stands under an exception that was asked for through a
// chain. What makes up for it is looked at on the server; when it does not hold any more, the exception is over and the server refuses the login; once it
// holds again and the exception is renewed, the login works again. Every step is in the ledger.
func TestReq_R33_AnExceptionForALoginThatCannotExpire(t *testing.T) {
	t.Parallel()
	pg := pgtest.Start(t, "fsync=off")
	target := pg.NewDatabase(t)
	pg.Exec(t, "postgres", `CREATE ROLE bot LOGIN CREATEROLE PASSWORD 'bot-pw'`, `GRANT pg_signal_backend, pg_read_all_stats TO bot`, `CREATE ROLE cs_readonly`, `CREATE ROLE stock LOGIN PASSWORD 'stock-pw'`)
	dsn := filepath.Join(t.TempDir(), "dsn")
	database, _, _ := strings.Cut(target[strings.LastIndex(target, "/")+1:], "?")
	mustSay(t, os.WriteFile(dsn, []byte(pg.URLFor("bot", "bot-pw", database)), 0o600))
	login := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, pg.URLFor("stock", "stock-pw", database))
		if err == nil {
			err = conn.Close(ctx)
		}
		return err
	}
	mustSay(t, login())
	d := demoAsJonas(t, map[string]string{
		"targets/pg-main.yaml": strings.ReplaceAll(pgTarget, "DSNFILE", dsn) + legacyTarget, "workflows/legacy-login.yaml": legacyWorkflow, "roles.yaml": jonasRoles,
	})
	s, ctx := &story{demo: d}, t.Context()
	now := d.clock.Now().Wall
	said(t, d.identityCLI(t, "import", fileOf(t, "cmdb.csv", "id,kind,name,owner,backup,purpose,expires,target,account,rotated,stored\n"+
		"stock-login,service_account,Old stock program,maya,jonas,Keeps the stock until the new program is there.,"+now.AddDate(0, 6, 0).Format(time.DateOnly)+",pg-main,stock,"+now.AddDate(0, 0, -10).Format(time.DateOnly)+",vault\n"), "-source", "cmdb"), "1 new")

	ask := func(long, reason string) {
		t.Helper()
		mustSay(t, s.command(ctx, "maya", "/access", "request legacy-login"))
		mustSay(t, s.submit(ctx, "maya", map[string]any{
			screens.BlockSubject: "stock-login", screens.BlockDuration: long, screens.BlockReason: reason, screens.FieldBlock + "exit_plan": "The new program goes live in spring.",
		}))
		_, err := s.message(ctx, "access", reason)
		mustSay(t, err)
	}
	approve := func() {
		t.Helper()
		out, err := d.cli(ctx, "", "list")
		mustSay(t, err)
		if out, err := d.cli(ctx, "", "approve", requestIn(t, out), "-yes"); err != nil {
			t.Fatalf("approving: %v\n%s", err, out)
		}
	}
	register := func() (list []listedException) {
		t.Helper()
		var r reply
		mustSay(t, json.Unmarshal([]byte(d.identityCLI(t, "exceptions", "stock-login", "-json")), &r))
		mustSay(t, json.Unmarshal(r.Data, &list))
		return list
	}
	awaited := func(what, text string) {
		t.Helper()
		_, err := until(ctx, what, func() (string, bool) {
			out := d.identityCLI(t, "exceptions", "stock-login")
			return out, strings.Contains(out, text)
		})
		mustSay(t, err)
	}

	ask("60d", "its driver keeps the password in the program")
	card, err := s.message(ctx, "access", "its driver keeps the password in the program")
	mustSay(t, err)
	said(t, card.Visible(), "Waives", "expiry", "its secret is replaced every 30d", "it is used only from 127.0.0.0/8", "each use of it is seen and told", "asked for the first time")
	approve()
	awaited("the exception to stand", "no expiry, open until")
	out := d.identityCLI(t, "exceptions")
	said(t, out, "approved by Jonas Weber", "exit plan: The new program goes live in spring.", "owner Maya Chen")

	conn, err := pgx.Connect(ctx, pg.URLFor("stock", "stock-pw", database))
	mustSay(t, err)
	mustSay(t, d.advance(ctx, 16*time.Minute))
	awaited("the checks to hold", "its secret is replaced every 30d (holds)")
	said(t, d.identityCLI(t, "exceptions"), "it is used only from 127.0.0.0/8, ::1/128 (holds)", "each use of it is seen and told (holds)")
	if x := register()[0]; x.Uses != 1 || x.State != "open" || x.Renewal != 0 {
		t.Errorf("after a use: %+v", x)
	}
	_, err = s.dm(ctx, "maya", "Old stock program", "is being used")
	mustSay(t, err)
	mustSay(t, conn.Close(ctx))

	mustSay(t, d.advance(ctx, 25*24*time.Hour)) // the secret is 35 days old now
	awaited("the exception to fail", "its secret was not replaced within 30d")
	said(t, d.identityCLI(t, "show", "stock-login"), "Suspended: exception", "exception_failed")
	_, err = until(ctx, "the server to refuse the login", func() (string, bool) {
		err := login()
		return "", err != nil && strings.Contains(err.Error(), "28000")
	})
	mustSay(t, err)
	_, err = s.dm(ctx, "maya", "The exception of", "is over")
	mustSay(t, err)

	d.identityCLI(t, "rotate", "stock-login")
	d.identityCLI(t, "rotated", "stock-login", "-evidence", "psql with the old password says 28P01")
	ask("20d", "the new program is late, until summer")
	card, err = s.message(ctx, "access", "the new program is late, until summer")
	mustSay(t, err)
	said(t, card.Visible(), "renewal 1; it stands since "+now.Format(time.DateOnly))
	approve()
	awaited("the renewed exception to stand", "renewal 1, standing since")
	_, err = until(ctx, "the login to work again", func() (string, bool) { err := login(); return "", err == nil })
	mustSay(t, err)
	if list := register(); len(list) != 2 || list[0].State != "open" || list[0].Renewal != 1 || list[1].State != "renewed" {
		t.Errorf("the register: %+v", list)
	}

	mustSay(t, d.advance(ctx, 21*24*time.Hour))                   // nobody renews it
	awaited("the exception to be over", "no expiry, ended until") // its end has come, and nothing failed
	said(t, d.identityCLI(t, "show", "stock-login"), "Suspended: exception", "exception_ended")
	if out, err := d.cli(ctx, "", "ledger", "verify"); err != nil {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}
