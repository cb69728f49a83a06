package bot_test

import (
	"hash/fnv"
	"strconv"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// prints names texts by a hash: what package cmd does with a key.
type prints struct{}

func (prints) print(text string) string {
	h := fnv.New64a()
	h.Write([]byte(text))
	return "hmac:" + strconv.FormatUint(h.Sum64(), 16)
}

func (p prints) Keys(text string) []string {
	out := []string{identities.PrintKey(p.print(text))}
	switch text { // what the inventory keeps in clear
	case "0a:ff":
		out = append(out, identities.SerialKey(text))
	case "wxyz":
		out = append(out, identities.LastFourKey(text))
	}
	return out
}

func (p prints) Mark(text string) string { return p.print("mark " + text) }

// robot has the deployment robot ask for access and get it; its key has a fingerprint and a serial on record.
func (w *world) robot(secret string) workflows.RequestID {
	w.t.Helper()
	w.command("maya", "/access", "")
	w.do(w.sim.SubmitView(w.ctx, "maya", map[string]map[string]any{
		"entitlement": {"value": "0"}, "subject": {"value": "svc-deploy"}, "duration": {"value": "2h"}, "reason": {"value": "nightly deployment"}, "field:ticket": {"value": "OPS-7"},
	}))
	w.run()
	id := w.newest("maya").State.ID
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	w.click("sofia", w.card("access"), "request.approve")
	w.run()
	_, err := w.desk.TakeIn(w.ctx, workflows.System, []desk.IdentityClaim{{ID: "svc-deploy", Claim: identities.Claimed{
		Source: identities.ImportSource("cmdb"),
		Says: identities.Entry{
			Class: "service_account", Name: "Deployment robot", Owner: string(w.people["maya"]), Purpose: "Deploys the shop every night.", Environment: "production",
			Expires: workflows.StampOf(w.m.clock()).Add(90 * 24 * 3600 * 1e9), Print: prints{}.print(secret), Serial: "0a:ff", LastFour: "wxyz", Ticket: "request/" + string(id),
		},
	}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func robotWorld(t *testing.T) *world {
	return start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
		p.Identities["svc-deploy"] = desk.Identity{ID: "svc-deploy", Class: "service_account", Name: "Deployment robot", Owner: w.people["maya"], Purpose: "Deploys the shop every night."}
		delete(p.Workflows, "approve-runbook")
		x := *p.Workflows["bastion-shell"].Workflow
		x.For = []string{workflows.ForSelf, workflows.ForOwned}
		w.add(p, x)
	})
}

const leakedKey = "ghp_0123456789abcdefghijABCDEFGHIJ012345"

// R12, R6: from what somebody has of a credential to everything taken back are two interactions: one command shows whose it is, who approved it and who
// can revoke it; sending that card revokes it and locks it out.
func TestReq_R12_FromFingerprintToRevokedInTwoInteractions(t *testing.T) {
	w := robotWorld(t)
	id := w.robot(leakedKey)
	for _, have := range []string{"0a:ff", "wxyz", leakedKey, "svc-deploy", "robot"} {
		w.command("sofia", "/access", "who "+have)
		v, ok := w.sim.View("sofia")
		if !ok {
			t.Fatalf("%q opens nothing: %s", have, w.heard("sofia"))
		}
		wantIn(t, v.Visible(), "Deployment robot", "Owner", "Maya Chen", "Can take it back", "Sofia Rossi", "Who approved it", "Jonas Weber", "ledger prove "+string(id),
			"Deploys the shop every night", "nobody attested it yet", "1 grant")
		w.do(w.sim.CloseView(w.ctx, "sofia"))
	}
	_, err := w.desk.TakeIn(w.ctx, workflows.System, []desk.IdentityClaim{{ID: "found-bastion-1", Claim: identities.Claimed{
		Source: identities.DiscoverySource("bastion"), Hint: "m.chen", Says: identities.Entry{Class: "service_account", Name: "Printer", Target: "bastion"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	w.command("sofia", "/access", "who found-bastion-1") // nobody answers for it: whom its target names is said, and that it decides nothing
	v, _ := w.sim.View("sofia")
	wantIn(t, v.Visible(), "its target names", "m.chen", "a hint, which decides nothing", "nobody can say how it is replaced", "how its secret is replaced is not on record")
	w.do(w.sim.CloseView(w.ctx, "sofia"))
	w.command("jonas", "/access", "who 0a:ff") // not his to see: the same answer as for what there is not
	wantIn(t, w.heard("jonas"), "Nothing in the inventory is known by that")

	before := w.acts
	w.command("sofia", "/access", "who "+leakedKey)                                                                      // one
	d := w.do(w.sim.SubmitView(w.ctx, "sofia", map[string]map[string]any{"reason": {"value": "seen in a public gist"}})) // two
	if len(d.Errors) > 0 {
		t.Fatalf("the card refuses: %v", d.Errors)
	}
	if n := w.acts - before; n > 2 {
		t.Errorf("from its fingerprint to its revocation somebody acts %d times", n)
	}
	if h := w.state(id).Hold; h == nil || h.Status != grants.StatusEnding || h.EndedBy != w.people["sofia"] {
		t.Fatalf("after two interactions: %+v", h)
	}
	w.run()
	if h := w.state(id).Hold; h.Status != grants.StatusEnded {
		t.Errorf("it is %s", h.Status)
	}
	locked, err := w.desk.Quarantined(w.ctx)
	if err != nil || len(locked) != 1 || locked[0].Identity != "svc-deploy" {
		t.Errorf("locked: %+v %v", locked, err)
	}
	x, err := w.desk.EvidenceOf(w.ctx, w.people["sofia"], "svc-deploy")
	if err != nil || x.Measured != 1 || len(x.Held) != 0 {
		t.Errorf("the card afterwards: measured %d, held %d, %v", x.Measured, len(x.Held), err)
	}
	if strings.Contains(w.everything(), leakedKey) {
		t.Error("what was typed to find it is kept")
	}
}

// R29: what somebody pastes into the form for a leak is compared and dropped: known, it opens an incident and a rotation and tells who answers for it;
// unknown, it is a shadow credential; the secret is nowhere afterwards.
func TestReq_R29_AReportedSecretIsMatchedAndNotKept(t *testing.T) {
	w := robotWorld(t)
	w.robot(leakedKey)
	report := func(user, secret, place string) string {
		w.command(user, "/access", "leak")
		w.do(w.sim.SubmitView(w.ctx, user, map[string]map[string]any{"leak_secret": {"value": secret}, "leak_place": {"value": place}}))
		v, _ := w.sim.View(user)
		w.do(w.sim.CloseView(w.ctx, user))
		w.run()
		return v.Visible()
	}
	wantIn(t, report("sofia", leakedKey, "https://gist.example/1"), "It belongs to `svc-deploy`", "Incident `INC-1`")
	s := w.identityOf("svc-deploy")
	if r := s.Rotating(); r == nil || r.Why != identities.RotateLeak || len(s.Life.Leaks) != 1 || !s.Life.Leaks[0].Known || s.Life.Leaks[0].Incident != "INC-1" {
		t.Fatalf("rotation %+v, leaks %+v", s.Rotating(), s.Life.Leaks)
	}
	if i, err := w.desk.Incident(w.ctx, "INC-1"); err != nil || i.Closed != nil || i.By != w.people["sofia"] {
		t.Errorf("incident %+v %v", i, err)
	}
	wantIn(t, w.dm("maya").Visible(), "Deployment robot")
	if s.Row() == nil || !strings.Contains(strings.Join(s.Row().Findings, " "), identities.FindLeaked) {
		t.Errorf("findings: %+v", s.Row())
	}
	wantIn(t, report("sofia", leakedKey, "https://gist.example/1"), "reported before")
	if again := w.identityOf("svc-deploy"); len(again.Life.Leaks) != 1 {
		t.Errorf("the same find is on record %d times", len(again.Life.Leaks))
	}

	// Nobody knows this one. Who reports it sees nothing of the inventory.
	unknown := "s3cr3t-of-nobody-0815"
	wantIn(t, report("jonas", unknown, "the wiki, page Deploy"), "Thank you", "security is being told")
	shadow := workflows.IdentityID("")
	rows, err := w.m.Inventory(w.ctx, workflows.InventoryQuery{Finding: identities.FindShadow})
	if err == nil && len(rows) == 1 {
		shadow = rows[0].ID
	}
	if shadow == "" || rows[0].State != workflows.IdentityUnclaimed || !strings.Contains(strings.Join(rows[0].Findings, " "), identities.FindUnowned) {
		t.Fatalf("shadow credentials: %+v %v", rows, err)
	}
	if list, _ := w.m.List(w.ctx, incidents.ListIncidents, "", 0); len(list) != 1 {
		t.Errorf("%d incidents", len(list))
	}
	kept := w.everything()
	for _, x := range []string{leakedKey, unknown} {
		if strings.Contains(kept, x) {
			t.Errorf("%q is kept", x)
		}
	}
}

func (w *world) identityOf(id workflows.IdentityID) identities.IdentityState {
	w.t.Helper()
	h, err := w.m.History(w.ctx, workflows.IdentityStream(id))
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := identities.FoldIdentity(h)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}
