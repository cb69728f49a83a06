package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
	"github.com/countersign-bot/countersign/workflows"
)

// turnBook replaces the password of a program's login when its rotation is due, with nobody there.
const turnBook = `---
id: turn
title: Replace the password of a program
purpose: A password is replaced when its rotation is due.
use_when: A rotation is open.
do_not_use_when: The database is down.
routine: true
opens_on: [rotation]
owner: jonas
invokers: {people: [jonas]}
longest: 2h
chain: routine
notify: "#incidents"
fields:
  - {name: account, label: Login, type: text, pattern: '[a-z0-9_]{1,60}'}
---
# Replace the password of a program

## Step 1: a new login beside the old one, tried, and the old one ended

` + "```step\naction: rotate\non: pg-main/readonly\naccount: \"${account}\"\nauto: true\n```\n"

// ownLife is a company with a real PostgreSQL and a real directory, each with one account that nobody knows of.
type ownLife struct {
	*story
	t        *testing.T
	pg       *pgtest.Server
	database string
	ldapURL  string
}

const printer = "uid=printer,ou=people,dc=x"

func startLife(t *testing.T, change func(files map[string]string)) *ownLife {
	t.Helper()
	return startLifeWith(t, nil, change)
}

// startLifeWith is startLife with settings of the program.
func startLifeWith(t *testing.T, env map[string]string, change func(files map[string]string)) *ownLife {
	t.Helper()
	ldapURL, _ := startSlapd(t)
	pg := pgtest.Start(t, "fsync=off")
	x := &ownLife{t: t, pg: pg, ldapURL: ldapURL}
	x.database, _, _ = strings.Cut(pg.NewDatabase(t), "?")
	x.database = x.database[strings.LastIndex(x.database, "/")+1:]
	pg.Exec(t, "postgres", `CREATE ROLE bot LOGIN CREATEROLE PASSWORD 'bot-pw'`, `GRANT pg_signal_backend TO bot`, `CREATE ROLE cs_readonly`,
		`GRANT cs_readonly TO bot WITH ADMIN OPTION`, `CREATE ROLE maya_pg LOGIN PASSWORD 'maya-pw'`, `CREATE ROLE canary LOGIN PASSWORD 'canary-pw'`)
	r := ldap.NewAddRequest(printer, nil)
	for name, values := range map[string][]string{"objectClass": {"account", "simpleSecurityObject"}, "userPassword": {"printer-pw"}} {
		r.Attribute(name, values)
	}
	mustSay(t, x.directory("cn=bot,dc=x", "bot-pw", func(c *ldap.Conn) error { return c.Add(r) }))
	dsn := filepath.Join(t.TempDir(), "dsn")
	mustSay(t, os.WriteFile(dsn, []byte(pg.URLFor("bot", "bot-pw", x.database)), 0o600))
	files := leaverFiles(t, dsn, ldapURL, "redis://127.0.0.1:1")
	for _, name := range []string{"targets/cache.yaml", "workflows/use-cache.yaml", "workflows/use-shell.yaml"} {
		delete(files, name)
	}
	files["roles.yaml"], files["runbooks/turn.md"], files["workflows/routine.yaml"] = jonasRoles, turnBook, routineChain
	change(files)
	x.story = &story{demo: demoAsJonasWith(t, files, env)}
	return x
}

// directory does something on the directory as somebody.
func (x *ownLife) directory(dn, password string, do func(*ldap.Conn) error) error {
	conn, err := ldap.DialURL(x.ldapURL)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Bind(dn, password); err != nil {
		return err
	}
	return do(conn)
}

func (x *ownLife) binds(password string) error {
	return x.directory(printer, password, func(*ldap.Conn) error { return nil })
}

func (x *ownLife) logs(user, password string) error {
	conn, err := pgx.Connect(x.t.Context(), x.pg.URLFor(user, password, x.database))
	if err == nil {
		err = conn.Close(x.t.Context())
	}
	return err
}

// wantIn and wantOut hold what the two targets say of the credentials.
func (x *ownLife) wantIn(what string, err error) {
	x.t.Helper()
	if err != nil {
		x.t.Errorf("%s is refused: %v", what, err)
	}
}

func (x *ownLife) wantOut(what string, err error) {
	x.t.Helper()
	var pg *pgconn.PgError
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) && (!errors.As(err, &pg) || pg.Code[:2] != "28") {
		x.t.Errorf("%s is not refused as a credential: %v", what, err)
	}
}

// orphan finds the identity that nobody answers for by its account.
func (x *ownLife) orphan(account string) string {
	x.t.Helper()
	for _, r := range x.listed(x.t, "orphans") {
		if out := x.identityCLI(x.t, "show", string(r.ID)); strings.Contains(out, "account: "+account+";") {
			said(x.t, out, "Owner: nobody", "unowned")
			return string(r.ID)
		}
	}
	x.t.Fatalf("%s is not among what nobody answers for", account)
	return ""
}

// shows waits until the page of an identity says something.
func (x *ownLife) shows(id, what string) string {
	x.t.Helper()
	out, err := until(x.t.Context(), "the page of "+id+" to say "+what, func() (string, bool) {
		out := x.identityCLI(x.t, "show", id)
		return out, strings.Contains(out, what)
	})
	if err != nil {
		x.t.Fatalf("%v:\n%s", err, x.identityCLI(x.t, "show", id))
	}
	return out
}

// TestStory_AnIdentitysWholeLife: two accounts, of a real PostgreSQL and of a real directory, are discovered with nobody to answer for them, claimed,
// attested; their owner leaves, and they are handed over in Slack; their secrets are replaced, the database's by the bot; they are taken off.
// After each step the two servers say what the page says, each step is an entry, and the ledger verifies with every decision replayed.
func TestStory_AnIdentitysWholeLife(t *testing.T) {
	t.Parallel()
	x := startLife(t, func(map[string]string) {})
	ctx := t.Context()

	// Discovered, and only once.
	said(t, x.identityCLI(t, "discover"), "pg-main: 2 new", "directory: 1 new")
	said(t, x.identityCLI(t, "discover"), "pg-main: 0 new, 0 changed", "directory: 0 new, 0 changed")
	canary, printing := x.orphan("canary"), x.orphan("printer")
	x.wantIn("the canary", x.logs("canary", "canary-pw"))
	x.wantIn("the printer", x.binds("printer-pw"))

	// Claimed: by a person, for a purpose, until a day.
	end := x.clock.Now().Wall.AddDate(0, 6, 0).Format("2006-01-02")
	for id, purpose := range map[string]string{canary: "Checks every minute that the database answers.", printing: "Prints the delivery notes of the shop."} {
		said(t, x.identityCLI(t, "claim", id, "-owner", "maya", "-backup", "jonas", "-purpose", purpose, "-expires", end), "Owner: Maya Chen", "backup: Jonas Weber")
		// Attested, by somebody else than its owner.
		x.identityCLI(t, "attest", id, "keep")
		said(t, x.identityCLI(t, "show", id), "attested "+x.clock.Now().Wall.UTC().Format("2006-01-02"))
	}

	// The owner leaves: nobody does more than deactivate her account. Her backup is asked in Slack, and answers there.
	mustSay(t, x.slack.SetUser("maya", func(u *slacksim.User) { u.Deleted = true }))
	for _, id := range []string{canary, printing} {
		x.shows(id, "Being handed over (leaver): Jonas Weber")
		_, err := x.dm(ctx, "jonas", "Please decide until", id)
		mustSay(t, err)
		mustSay(t, x.command(ctx, "jonas", "/access", "identity "+id+" keep"))
		said(t, x.shows(id, "Owner: Jonas Weber"), "has to be replaced by", "(handover)")
	}

	// Rotated, since she knew the secrets: the database's by a routine that opens by itself, the directory's by hand and with evidence.
	if _, err := until(ctx, "the routine to replace the canary's password", func() (string, bool) {
		if err := x.advance(ctx, 6*time.Minute); err != nil { // it is looked for every five minutes
			return "", false
		}
		out := x.identityCLI(t, "show", canary)
		return out, !strings.Contains(out, "has to be replaced by")
	}); err != nil {
		t.Fatalf("%v:\n%s\n%s", err, x.identityCLI(t, "show", canary), x.mustCLI(t, "runbook", "status"))
	}
	said(t, x.mustCLI(t, "ledger", "search", "identity.rotation_closed", "-json"), `"connector"`, `"verified"`)
	x.wantOut("the canary's old password", x.logs("canary", "canary-pw"))
	x.pg.Exec(t, "postgres", `DO $$ BEGIN IF (SELECT count(*) FROM pg_roles WHERE rolcanlogin AND starts_with(rolname, 'canary_')) <> 1 THEN RAISE EXCEPTION 'not one new login'; END IF; END $$`)
	mustSay(t, x.directory("cn=bot,dc=x", "bot-pw", func(c *ldap.Conn) error {
		_, err := c.PasswordModify(ldap.NewPasswordModifyRequest(printer, "printer-pw", "printer-new"))
		return err
	}))
	said(t, x.identityCLI(t, "rotated", printing, "-evidence", "binding with the old password says 49"), "secret made")
	x.wantOut("the printer's old password", x.binds("printer-pw"))
	x.wantIn("the printer's new password", x.binds("printer-new"))
	said(t, x.identityCLI(t, "discover"), "pg-main: 0 new", "directory: 0 new") // the new login is the same identity

	// Taken off: what the bot can close it closes and reads back; what is somebody's word is held against the target.
	for _, id := range []string{canary, printing} {
		x.identityCLI(t, "retire", id, "-reason", "the new platform needs no account")
	}
	if _, err := until(ctx, "the canary's account to be closed", func() (string, bool) {
		out := x.identityCLI(t, "show", canary)
		return out, !strings.Contains(out, "(account)") && !strings.Contains(out, "(grants)")
	}); err != nil {
		t.Fatalf("%v:\n%s", err, x.identityCLI(t, "show", canary))
	}
	x.pg.Exec(t, "postgres", `DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolcanlogin AND starts_with(rolname, 'canary')) THEN RAISE EXCEPTION 'it still logs in'; END IF; END $$`)
	x.refusedCLI(t, "directory still has the account", "reason_needed", "identities", "retired-item", printing, "account", "-evidence", "deleted it, believe me")
	mustSay(t, x.directory("cn=bot,dc=x", "bot-pw", func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(printer, nil)) }))
	x.shows(printing, "(secret)")
	x.identityCLI(t, "retired-item", printing, "account", "-evidence", "deleted its entry, CHG-1208")
	x.wantOut("the printer", x.binds("printer-new"))
	for _, id := range []string{canary, printing} {
		x.identityCLI(t, "retired-item", id, "secret", "-evidence", "taken out of the vault, CHG-1207")
	}
	if rows := x.listed(t, "list", "-state", "retired"); len(rows) != 2 {
		t.Errorf("taken off: %+v", rows)
	}

	if rows := x.listed(t, "orphans"); slices.ContainsFunc(rows, func(r workflows.InventoryRow) bool { return string(r.ID) == canary || string(r.ID) == printing }) { // R11
		t.Errorf("what was taken off is still nobody's: %+v", rows)
	}
	for _, r := range x.listed(t, "orphans") { // what the story is not about: the role of a person
		x.identityCLI(t, "claim", string(r.ID), "-owner", "jonas", "-backup", "sofia", "-purpose", "Is somebody's login on the database.", "-expires", x.clock.Now().Wall.AddDate(0, 6, 0).Format("2006-01-02"))
	}
	if rows := x.listed(t, "orphans"); len(rows) != 0 {
		t.Errorf("at the end nobody answers for %+v", rows)
	}

	// Every step is an entry that says itself in a sentence, and all of them verify.
	for _, id := range []string{canary, printing} {
		page := x.mustCLI(t, "ledger", "history", "identity/"+id)
		kinds := x.mustCLI(t, "ledger", "search", id, "-json")
		for _, kind := range []string{
			"identity.claimed", "identity.attested", "identity.handover_opened", "identity.handover_answered", "identity.rotation_opened",
			"identity.rotation_closed", "identity.retirement_opened", "identity.retire_item_done", "identity.retired",
		} {
			if !strings.Contains(kinds, `"`+kind+`"`) {
				t.Errorf("no entry %s of %s", kind, id)
			}
		}
		said(t, page, "Jonas Weber")
	}
	said(t, x.mustCLI(t, "ledger", "search", "identity.retire_item_done", "-json"), `"verified"`)
	x.verified(t)
}
