package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows/identities"
)

// appStore is an identity provider with applications of vendors: what they may do grows, and they are deactivated.
type appStore struct {
	*httptest.Server
	mu     sync.Mutex
	scopes map[string][]string // of each application
	off    []string
}

func newAppStore(t *testing.T) *appStore {
	t.Helper()
	a := &appStore{scopes: map[string][]string{"0oapayroll": {"okta.users.read"}, "0oacalendar": {"okta.users.read"}}}
	answer := func(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }
	app := func(id string) map[string]any {
		status := "ACTIVE"
		if slices.Contains(a.off, id) {
			status = "INACTIVE"
		}
		return map[string]any{"id": id, "label": "App " + strings.TrimPrefix(id, "0oa"), "signOnMode": "OPENID_CONNECT", "status": status, "created": "2026-01-02T03:04:05.000Z"}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/apps", func(w http.ResponseWriter, _ *http.Request) { answer(w, []any{app("0oacalendar"), app("0oapayroll")}) })
	mux.HandleFunc("GET /api/v1/apps/{id}", func(w http.ResponseWriter, r *http.Request) { answer(w, app(r.PathValue("id"))) })
	mux.HandleFunc("GET /api/v1/apps/{id}/grants", func(w http.ResponseWriter, r *http.Request) {
		var list []any
		for _, s := range a.scopes[r.PathValue("id")] {
			list = append(list, map[string]string{"scopeId": s, "status": "ACTIVE"})
		}
		answer(w, list)
	})
	mux.HandleFunc("POST /api/v1/apps/{id}/lifecycle/deactivate", func(w http.ResponseWriter, r *http.Request) {
		a.off = append(a.off, r.PathValue("id"))
		answer(w, map[string]any{})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { answer(w, []any{}) })
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *appStore) grow(app string, scopes ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.scopes[app] = append(a.scopes[app], scopes...)
}

func (a *appStore) isOff(app string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.off, app)
}

// R88, R31: a third-party app is found where it is installed, with what it may do; what nobody wrote down of it is a finding, so is a scope that it got since it was
// looked at, and so is a review that is overdue; one command, in a terminal or in Slack, takes it off where it works, and its target is read back.
func TestReq_R88_AThirdPartyAppFromDiscoveryToItsEnd(t *testing.T) {
	t.Parallel()
	a := newAppStore(t)
	token := filepath.Join(t.TempDir(), "token")
	mustSay(t, os.WriteFile(token, []byte("00bot"), 0o600))
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles, "targets/okta.yaml": fmt.Sprintf(`id: okta
title: Okta
connector: okta
owner: jonas
environment: production
data_class: personal
settings:
  url: %s
  token_file: %s
  scope: 00gabcdefgh1
  drift_schedule: never
entitlements:
  - {id: billing, title: Billing, description: Sees bills., business_task: Answers support cases., review_date: 2036-01-01, longest: 4h, shared: true, account: true, params: {group: 00gabcdefgh1}}
`, a.URL, token)})
	s, ctx := &story{demo: d}, t.Context()
	said(t, d.identityCLI(t, "discover", "okta"), "okta: 2 new")
	ids := map[string]string{}
	for _, r := range d.listed(t, "list", "-kind", identities.KindApp) {
		ids[r.Name] = string(r.ID)
	}
	payroll, calendar := ids["App payroll"], ids["App calendar"]
	if payroll == "" || calendar == "" {
		t.Fatalf("found: %v", ids)
	}
	card := d.identityCLI(t, "show", payroll)
	said(t, card, "Third-party app: vendor not on record; reaches data that nobody wrote down; reviewed never; business owner: nobody", "okta.users.read", "Kill: countersign identities kill "+payroll,
		"Okta deactivates the application", identities.FindApp, identities.FindNoBusiness, identities.FindUnowned)

	expires := d.clock.Now().Wall.AddDate(0, 9, 0).Format(time.DateOnly)
	for _, id := range []string{payroll, calendar} {
		d.identityCLI(t, "claim", id, "-owner", "jonas", "-backup", "maya", "-purpose", "Runs the company's payroll.", "-expires", expires, "-vendor", "Paychecks Ltd", "-data-reach", "salaries of everybody", "-business-owner", "sofia")
	}
	card = d.identityCLI(t, "show", payroll)
	said(t, card, "vendor Paychecks Ltd; reaches salaries of everybody", "business owner: Sofia Rossi")
	for _, code := range []string{identities.FindApp, identities.FindNoBusiness, identities.FindUnowned, identities.FindGrown} {
		if strings.Contains(card, code) {
			t.Errorf("%s is said of a whole record:\n%s", code, card)
		}
	}

	a.grow("0oapayroll", "okta.users.manage")
	said(t, d.identityCLI(t, "discover", "okta"), "okta: 0 new, 1 changed")
	said(t, d.identityCLI(t, "evidence", payroll), "Sessions cannot be told: okta does not tell sessions", "FINDING: who uses it now cannot be told: okta does not tell sessions", "Its scopes grew since somebody looked at it: okta.users.manage", identities.FindGrown)
	if rows := d.listed(t, "list", "-finding", identities.FindGrown); len(rows) != 1 || string(rows[0].ID) != payroll {
		t.Errorf("grown: %+v", rows)
	}
	said(t, d.identityCLI(t, "report"), identities.FindGrown+": an app may do more")
	mustSay(t, s.command(ctx, "maya", "/access", "who "+payroll))
	seen, err := until(ctx, "the card of the app", func() (string, bool) {
		v, ok := s.slack.View(s.slackID("maya"))
		return v.Visible(), ok && strings.Contains(v.Visible(), "Third-party app")
	})
	mustSay(t, err)
	said(t, seen, "Third-party app", "sessions cannot be told: okta does not tell sessions", "Paychecks Ltd", "its scopes grew since it was looked at: okta.users.manage", "/access identity "+payroll+" kill REASON")

	if out, err := d.cli(ctx, "", "identities", "kill", payroll, "-reason", "bad"); err == nil || !strings.Contains(out, "at least 10 characters") {
		t.Errorf("killing without a reason: %v\n%s", err, out)
	}
	if a.isOff("0oapayroll") {
		t.Fatal("it was killed without a reason")
	}
	said(t, d.identityCLI(t, "kill", payroll, "-reason", "The vendor was broken into."), "suspended")
	out, err := until(ctx, "the app to be taken off", func() (string, bool) {
		out := d.identityCLI(t, "show", payroll)
		return out, strings.Contains(out, "Done, and read back: the app is uninstalled")
	})
	mustSay(t, err)
	if !a.isOff("0oapayroll") || strings.Contains(out, "Kill:") {
		t.Errorf("afterwards:\n%s", out)
	}
	said(t, d.identityCLI(t, "discover", "okta"), "okta: 0 new", "1 gone")

	mustSay(t, s.command(ctx, "maya", "/access", "identity "+calendar+" kill The vendor was broken into."))
	_, err = until(ctx, "the app to be taken off from Slack", func() (string, bool) {
		return "", a.isOff("0oacalendar")
	})
	mustSay(t, err)
	s.verified(t)
}
