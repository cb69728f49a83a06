package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// TestThreat_T54_WhatComesBackIsFound: access was taken back and read back as gone; then a hand makes it again behind the bot's back. Without any setting the sweep
// finds it within five minutes, and the owner hears of it.
func TestThreat_T54_WhatComesBackIsFound(t *testing.T) {
	t.Parallel()
	d, pg, database := driftDemo(t, "known_access: dba")
	ctx, s := t.Context(), &story{demo: d}
	s.reads(ctx, t, "1h")
	mustSay(t, s.command(ctx, "maya", "/access", "done"))
	_, err := s.message(ctx, "access", "Maya Chen", "stays as it is") // the ended card: what a revocation leaves
	mustSay(t, err)
	_, err = until2(ctx, func() (string, error) {
		out, err := d.ledger(ctx, "show", "-last", "0", "-json")
		if err == nil && !strings.Contains(out, "grant.revoked") {
			err = errors.New("not revoked yet")
		}
		return out, err
	})
	mustSay(t, err)
	mine := pg.URLFor("maya_pg", "maya-pw", database)
	if setRole(ctx, t, mine, nil) == nil {
		t.Fatal("what was taken back is there")
	}
	execAs(t, pg.URLFor("dba", "dba-pw", database), `GRANT cs_readonly TO maya_pg`)
	mustSay(t, setRole(ctx, t, mine, nil))
	mustSay(t, d.advance(ctx, 6*time.Minute))
	_, err = s.dm(ctx, "jonas", "maya_pg is member of the role cs_readonly")
	mustSay(t, err)
	if f, ok := d.drift(ctx, t, "-last").of("maya_pg"); !ok || f.MadeBy != "dba" || f.MadeAt == "" {
		t.Errorf("found as %+v", f)
	}
}

// TestReq_R66_MadeByHandInADirectory: an administrator makes Maya a member of a group with a directory's own tools. The schedule finds it, owner and security hear of it, and
// when the settings say so it is taken away; nobody's approved membership is touched.
func TestReq_R66_MadeByHandInADirectory(t *testing.T) {
	t.Parallel()
	directory, isMember := startSlapd(t)
	dsn := filepath.Join(t.TempDir(), "dsn")
	mustSay(t, os.WriteFile(dsn, []byte("postgres://bot:pw@127.0.0.1:1/x?connect_timeout=1"), 0o600))
	files := leaverFiles(t, dsn, directory, "redis://127.0.0.1:1")
	files["targets/directory.yaml"] = strings.Replace(files["targets/directory.yaml"], "settings: {", "settings: {on_unknown_access: revoke, ", 1)
	d := demoAsJonas(t, files)
	ctx, s := t.Context(), &story{demo: d}
	conn := dialed(t, func() (*ldap.Conn, error) { return ldap.DialURL(directory) })
	mustSay(t, conn.Bind("cn=bot,dc=x", "bot-pw"))
	byHand := func(uid string) {
		t.Helper()
		change := ldap.NewModifyRequest("cn=dba,ou=groups,dc=x", nil)
		change.Add("member", []string{"uid=" + uid + ",ou=people,dc=x"})
		mustSay(t, conn.Modify(change))
	}
	mallory := ldap.NewAddRequest("uid=mallory,ou=people,dc=x", nil)
	for name, value := range map[string]string{"objectClass": "inetOrgPerson", "cn": "Mallory", "sn": "M"} {
		mallory.Attribute(name, []string{value})
	}
	mustSay(t, conn.Add(mallory))
	mustSay(t, s.command(ctx, "maya", "/access", "request use-directory"))
	_, err := s.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	mustSay(t, s.submit(ctx, "maya", map[string]any{screens.BlockDuration: "4h", screens.BlockReason: "The tables need a repair."}))
	card, err := s.message(ctx, "access", "Maya Chen", "The tables need a repair.")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "jonas", card, screens.ActApprove))
	_, err = s.dm(ctx, "maya", "ready: you can use")
	mustSay(t, err)
	byHand("mallory")
	mustSay(t, d.advance(ctx, 6*time.Minute))
	_, err = s.message(ctx, "security", "mallory")
	mustSay(t, err)
	_, err = s.dm(ctx, "jonas", "mallory")
	mustSay(t, err)
	_, err = until2(ctx, func() (bool, error) {
		is, err := conn.Compare("cn=dba,ou=groups,dc=x", "member", "uid=mallory,ou=people,dc=x")
		if err == nil && is {
			err = errors.New("mallory is a member still")
		}
		return is, err
	})
	mustSay(t, err)
	if !isMember() {
		t.Error("what was approved is gone, too")
	}
	out, err := d.cli(ctx, "", "drift", "directory", "-json")
	mustSay(t, err)
	var r reply
	var list []driftReport
	mustSay(t, json.Unmarshal([]byte(out), &r))
	mustSay(t, json.Unmarshal(r.Data, &list))
	if len(list) != 1 || list[0].Open != 0 {
		t.Errorf("left standing: %s", fmt.Sprint(list))
	}
}

// reads lets Maya have the main database: she asks, Jonas approves, and she is told that it works. It gives the card.
func (s *story) reads(ctx context.Context, t *testing.T, long string) slacksim.Message {
	t.Helper()
	mustSay(t, s.command(ctx, "maya", "/access", "request prod-db-read"))
	_, err := s.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	mustSay(t, s.submit(ctx, "maya", map[string]any{screens.BlockDuration: long, screens.BlockReason: "A customer asks why her invoice is wrong."}))
	card, err := s.message(ctx, "access", "Maya Chen", "Read the main database")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "jonas", card, screens.ActApprove))
	_, err = s.dm(ctx, "maya", "ready: you can use", "Read the main database")
	mustSay(t, err)
	return card
}
