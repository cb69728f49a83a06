package main

import (
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// R22, R69: what targets tell comes in as what it is, each thing once: two keys of one title are two, the account of a person is that person's, whom a
// target names as owner is a hint that decides nothing, what a grant made is in the ledger already, and a certificate that a grant made belongs to who asked.
func TestReq_R69_WhatEachTargetTells(t *testing.T) {
	t.Parallel()
	ctx, data := t.Context(), filepath.Join(t.TempDir(), "data")
	st, err := openFixture(ctx, data)
	mustSay(t, err)
	defer st.Close()
	folder, err := readFolder("../../testdata/org")
	mustSay(t, err)
	policy, _, err := compile(ctx, st, folder)
	mustSay(t, err)
	d := desk.New(desk.Config{Ledger: st, Directory: everybodyActive{policy}, IDs: clockIDs{st.Clock()}, Log: slog.New(slog.DiscardHandler)})
	mustSay(t, d.Load(ctx, policy))
	keys, err := openKeys(data)
	mustSay(t, err)
	alice, bob := personCalled(t, policy, "alice"), personCalled(t, policy, "bob")
	stream := workflows.GrantStream(bob.Identity(), "bastion", "deploy")
	_, err = st.Update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(stream, workflows.System, "", grants.Approved{
			Grant: "g_cert", Request: "r_cert", Identity: bob.Identity(), Requester: bob, Target: "bastion", Entitlement: "deploy", EndsAt: f.Now.UTC.Add(time.Hour),
		})
		out.Listings = map[workflows.StreamID][]workflows.Listing{stream: {{List: grants.ListByID, Member: "g_cert"}}}
		return out, nil
	})
	mustSay(t, err)
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	found := []runbooks.Discovered{
		{Ref: "role app", Name: "app", Owner: "alice", LastUsed: day, Expires: day.AddDate(9, 0, 0), Grants: []string{"member of the role reader"}}, // PostgreSQL
		{Ref: "role alice", Name: "alice"},                                                                                        // a person's
		{Ref: "role cs_1", Name: "cs_1", Grant: "g_login"},                                                                        // made by a grant
		{Ref: "serviceaccount prod/api", Kind: "service_account", Name: "prod/api", Owner: "team-shop"},                           // Kubernetes
		{Ref: "entry uid=jane,dc=x", Kind: "human", Name: "jane"},                                                                 // LDAP
		{Ref: "app northwind/9", Kind: "integration", Name: "deploybot", Grants: []string{"administration: write"}, Strong: true}, // GitHub
		{Ref: "token northwind/3", Kind: "oauth_token", Name: "laptop", Owner: "nobody-we-know", Of: "user alice", Expires: day.AddDate(9, 0, 0)},
		{Ref: "deploy key northwind/shop/7", Kind: "ssh_key", Name: "ci", Fingerprint: "SHA256:AAAA"},
		{Ref: "deploy key northwind/pay/8", Kind: "ssh_key", Name: "ci"},
		{Ref: "user ci-uploader", Name: "ci-uploader", Owner: "Alice Ng"}, // AWS
		{Ref: "key ci-uploader/…ABCDEF", Kind: "api_key", Name: "Access key of ci-uploader", Of: "user ci-uploader", LastUsed: day, Facts: map[string]string{"last_four": "CDEF"}},
		{Ref: "key ci-uploader/…GHIJKL", Kind: "api_key", Name: "Access key of ci-uploader", Of: "user ci-uploader"},
		{Ref: "app 0oa1", Kind: "integration", Name: "Payroll", MadeAt: day}, // Okta
		{Ref: "certificate 0a1b", Kind: "certificate", Name: "app", Grant: "g_cert", Expires: day.AddDate(9, 0, 0), Facts: map[string]string{"serial": "0a1b"}},
		{Ref: "certificate 0c", Kind: "certificate", Name: "app", Grant: "g_gone", Facts: map[string]string{"serial": "0c"}},
	}
	s := &serving{
		store: st, desk: d, clock: st.Clock(), keys: keys, log: slog.New(slog.DiscardHandler),
		runner: runbooks.NewRunner(map[string]runbooks.Connector{"pg-main": discovering{&runbooktest.Memory{}, found}}, slog.New(slog.DiscardHandler)),
	}
	n, people, err := s.discoverTarget(ctx, "pg-main")
	if err != nil || n.New != 12 || people != 2 {
		t.Fatalf("taken in %+v, %d people's (%v), want 12 new and 2 people's", n, people, err)
	}
	if n, _, err = s.discoverTarget(ctx, "pg-main"); err != nil || n.New != 0 || n.Changed != 0 || n.Same != 12 {
		t.Errorf("the second time: %+v (%v)", n, err)
	}
	by := map[string]identities.IdentityState{}
	mustSay(t, d.EachIdentity(ctx, workflows.InventoryQuery{Target: "pg-main"}, func(r workflows.InventoryRow) error {
		h, err := st.History(ctx, workflows.IdentityStream(r.ID))
		mustSay(t, err)
		state, err := identities.FoldIdentity(h)
		account, _, _ := state.Texts()
		by[account] = state
		return err
	}))
	for account, kind := range map[string]string{
		"app": "service_account", "prod/api": "service_account", "app northwind/9": "integration", "token northwind/3": "oauth_token", "deploy key northwind/shop/7": "ssh_key",
		"deploy key northwind/pay/8": "ssh_key", "ci-uploader": "service_account", "key ci-uploader/…ABCDEF": "api_key", "key ci-uploader/…GHIJKL": "api_key",
		"app 0oa1": "integration", "certificate 0a1b": "certificate", "certificate 0c": "certificate",
	} {
		state, ok := by[account]
		if e := state.Entry(); !ok || e.Class != kind || account != "certificate 0a1b" && e.Owner != "" {
			t.Errorf("%s: %v, %q owned by %q, want %q", account, ok, e.Class, e.Owner, kind)
		}
	}
	if e := by["app"].Entry(); e.LastUsed != workflows.StampOf(day) || e.Expires != workflows.StampOf(day.AddDate(9, 0, 0)) || !slices.Equal(e.Scope, []string{"member of the role reader"}) {
		t.Errorf("the role: %+v", e)
	}
	if hint := s.hintOf(by["app"], by["app"].Entry()); !strings.Contains(hint, `"alice"`) || !strings.Contains(hint, "Alice Ng goes by that name") {
		t.Errorf("the role's hint: %q", hint)
	}
	if hint := s.hintOf(by["prod/api"], by["prod/api"].Entry()); !strings.Contains(hint, `"team-shop"`) || strings.Contains(hint, "goes by") {
		t.Errorf("the service account's hint: %q", hint)
	}
	if e := by["token northwind/3"].Entry(); e.Person != alice {
		t.Errorf("the token is one of %q's, want alice", e.Person)
	}
	if e := by["app northwind/9"].Entry(); e.Scope[0] != "superuser" {
		t.Errorf("the App: %+v", e)
	}
	if e := by["deploy key northwind/shop/7"].Entry(); e.Print != s.keyedPrint("SHA256:AAAA") {
		t.Errorf("the deploy key is known by %q", e.Print)
	}
	if e := by["key ci-uploader/…ABCDEF"].Entry(); e.LastFour != "CDEF" || e.LastUsed == 0 {
		t.Errorf("the access key: %+v", e)
	}
	cert := by["certificate 0a1b"].Entry()
	if cert.Owner != string(bob) || cert.Ticket != "request/r_cert" || cert.Serial != "0a1b" || cert.Stored != identities.StoredNone || cert.Purpose == "" {
		t.Errorf("the certificate: %+v", cert)
	}

	// R67: two people with one account, as a change that waits can leave behind: the account is neither's, and both are named.
	two := *policy
	two.People = maps.Clone(policy.People)
	for id, account := range map[workflows.PersonID]string{alice: "both", bob: "both"} {
		p := two.People[id]
		p.Accounts = map[workflows.TargetID]string{"pg-main": account}
		two.People[id] = p
	}
	shared := &serving{
		store: st, clock: st.Clock(), keys: keys, log: slog.New(slog.DiscardHandler),
		desk: desk.New(desk.Config{Ledger: st, Directory: everybodyActive{&two}, IDs: clockIDs{st.Clock()}, Log: slog.New(slog.DiscardHandler)}),
	}
	mustSay(t, shared.desk.Load(ctx, &two))
	for _, x := range []runbooks.Discovered{{Ref: "role both", Name: "both"}, {Ref: "token 9", Kind: "oauth_token", Name: "t", Of: "user both"}} {
		c, people, err := shared.discovered(ctx, "pg-main", x)
		if err != nil || people || c.Claim.Says.Person != "" || c.Claim.Says.Owner != "" || c.Claim.Hint != "the account of alice and bob" && c.Claim.Hint != "the account of bob and alice" {
			t.Errorf("%s is taken for somebody's: %+v, %t, %v", x.Ref, c.Claim, people, err)
		}
	}

	// A role that a file knows, too, was dropped and another made: the new one comes in, and the one that is gone is a finding until it is there again.
	_, err = d.TakeIn(ctx, workflows.System, []desk.IdentityClaim{{ID: by["app"].ID, Claim: identities.Claimed{Source: identities.ImportSource("cmdb"), Says: identities.Entry{Purpose: "Serves the shop."}}}})
	mustSay(t, err)
	again := func(list []runbooks.Discovered, want desk.Intake, missed bool) {
		t.Helper()
		s.runner = runbooks.NewRunner(map[string]runbooks.Connector{"pg-main": discovering{&runbooktest.Memory{}, list}}, slog.New(slog.DiscardHandler))
		if n, _, err := s.discoverTarget(ctx, "pg-main"); err != nil || n != want {
			t.Fatalf("taken in %+v (%v), want %+v", n, err, want)
		}
		h, err := st.History(ctx, workflows.IdentityStream(by["app"].ID))
		mustSay(t, err)
		state, err := identities.FoldIdentity(h)
		mustSay(t, err)
		if row := state.Row(); row == nil || slices.Contains(row.Findings, identities.FindGone) != missed {
			t.Errorf("the role, gone %t: %+v", missed, row)
		}
	}
	fresh := runbooks.Discovered{Ref: "role app2", Name: "app2"}
	again(append(slices.Clone(found[1:]), fresh), desk.Intake{New: 1, Same: 11, Gone: 1}, true)
	again(append(slices.Clone(found), fresh), desk.Intake{Changed: 1, Same: 12}, false)
}
