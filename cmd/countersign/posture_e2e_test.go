package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows/grants"
)

// TestReq_R43_WhatADeviceReportsDecides: a chain that needs two facts about the device. What nobody has reported, what was reported as false and what is too old
// refuses, by its name; a report without a signature is none; while the access is on, silence marks it and a no takes it back at once.
func TestReq_R43_WhatADeviceReportsDecides(t *testing.T) {
	t.Parallel()
	chain := strings.Replace(talkChain, "ends_with: ticket\n", "posture: [disk-encrypted, screen-locks]\nmax_unverified: 4h\n", 1)
	s := &story{demo: demoAsJonasWith(t, map[string]string{"workflows/talk.yaml": chain}, map[string]string{"POSTURE_SECRET": changesSecret})}
	ctx := t.Context()
	key := filepath.Join(t.TempDir(), "id.pub")
	mustSay(t, os.WriteFile(key, []byte(s.people["jonas"].public()), 0o600))
	asks := func() (string, error) {
		return s.cli(ctx, "", "request", "talk", "-for-time", "15m", "-reason", "A short look only.", "-field", "key=@"+key, "-field", "ticket=OPS-7")
	}
	refused := func(what string, words ...string) {
		t.Helper()
		out, err := asks()
		if err == nil {
			t.Errorf("%s: granted\n%s", what, out)
		}
		said(t, out, words...)
	}
	valid := 600 // seconds; a report is stamped by real time, and how fresh it is goes by the product's clock, which is ahead below
	reports := func(claim string, holds, sign bool, want int) {
		t.Helper()
		body := fmt.Sprintf(`{"subject":"jonas@northwind.example","claims":{%q:%t},"observed_at":%q,"valid_seconds":%d}`, claim, holds, time.Now().UTC().Format(time.RFC3339Nano), valid)
		if got, err := postHook(ctx, s.child.url()+"/posture", body, sign); err != nil || got != want {
			t.Errorf("reporting %s: %d (%v), want %d", claim, got, err, want)
		}
	}
	has := func(kind string) func() (string, bool) {
		return func() (string, bool) {
			out, err := s.ledger(ctx, "search", kind, "-json")
			return out, err == nil && strings.Contains(out, `"`+kind+`"`)
		}
	}
	refused("nothing is known", "disk-encrypted")
	reports("disk-encrypted", true, true, http.StatusNoContent)
	reports("screen-locks", true, false, http.StatusUnauthorized)
	refused("one of two is known", "screen-locks")
	reports("screen-locks", false, true, http.StatusNoContent)
	refused("one of two is not so", "screen-locks")
	reports("screen-locks", true, true, http.StatusNoContent)
	out, err := asks()
	if err != nil {
		t.Fatalf("with both: %v\n%s", err, out)
	}
	said(t, out, "Approved without people, by rule A look")
	_, err = until(ctx, "the access", has("grant.started"))
	mustSay(t, err)
	id := regexp.MustCompile(`r_[0-9a-hjkmnp-tv-z]{26}`).FindString(strings.ToLower(out))
	seen, err := s.cli(ctx, "", "status", id)
	if err != nil || strings.Contains(seen, "NOT VERIFIED") {
		t.Errorf("what both reports say is doubted: %v\n%s", err, seen)
	}

	mustSay(t, s.advance(ctx, 11*time.Minute)) // nobody says it again
	_, err = until(ctx, "the record that nobody can tell", func() (string, bool) {
		out, err := s.ledger(ctx, "search", "grant.checked", "-json")
		return out, err == nil && strings.Contains(out, grants.CannotTell)
	})
	if _, ended := has("grant.ending")(); err != nil || ended {
		t.Errorf("silence: %v, ended %t", err, ended)
	}
	seen, err = s.cli(ctx, "", "status", id)
	mustSay(t, err)
	said(t, seen, "NOT VERIFIED since ", "disk-encrypted", "active")
	valid = 3600
	reports("screen-locks", false, true, http.StatusNoContent)
	_, err = until(ctx, "the access to be taken back", has("grant.revoked"))
	mustSay(t, err)
	why, _ := has("grant.ending")()
	said(t, why, "screen-locks")
	if out, err := s.ledger(ctx, "verify"); err != nil || !strings.Contains(out, "intact") {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}
