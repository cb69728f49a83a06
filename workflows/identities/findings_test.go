package identities_test

import (
	"slices"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

const aDay = 24 * time.Hour

// whole is an identity of a kind in which nothing is wrong.
func whole(x *shop, kind string) identities.Entry {
	now := x.l.Now.UTC
	return identities.Entry{
		Class: kind, Owner: "p_ann", Backup: "p_bob", Purpose: "rolls out releases", Expires: now.Add(200 * aDay), Created: now, LastUsed: now, Target: "pg",
		Business: "p_carol", Scope: []string{"role:app_rw"}, Model: "vendor/model-1", Tools: []string{"sql"}, DataReach: "orders", Autonomy: "asks before it writes", Sponsor: "p_ann", KillTested: now,
		RetirePlan: "Its runbook is taken off, and its token with it.",
	}
}

// finds holds that spoiling an identity brings one finding, and that nothing else would have.
func finds(t *testing.T, kind, code string, later time.Duration, gone identities.Gone, spoil func(*identities.Entry)) {
	t.Helper()
	for _, spoilt := range []bool{false, true} {
		x := newShop(t)
		e := whole(x, kind)
		if spoilt {
			spoil(&e)
		}
		x.says(identities.ImportSource("cmdb"), e)
		now := x.l.Now.UTC
		if spoilt {
			now = now.Add(later)
		}
		if f := identities.Findings(*x.state().Row(), now, gone); slices.Contains(f, code) != spoilt {
			t.Errorf("%s of kind %s, spoilt %t: %v", code, kind, spoilt, f)
		}
	}
}

func untouched(*identities.Entry) {}

// What nobody could take back in an emergency is a finding, unless a target or a written path says how (R27).
func TestReq_R27_WhatCannotBeTakenBackIsAFinding(t *testing.T) {
	t.Parallel()
	finds(t, "api_key", identities.FindNoPath, 0, nil, func(e *identities.Entry) { e.Target = "" })
	x := newShop(t)
	e := whole(x, "api_key")
	e.Target = ""
	out, err := identities.Claims(x.l.Facts(), workflows.System, robotID, identities.Claimed{Source: identities.ImportSource("cmdb"), Says: e, HasPath: true, Path: "runbook report-off"})
	x.does(out, err)
	if f := x.state().Row().Findings; slices.Contains(f, identities.FindNoPath) {
		t.Errorf("a written path counts for nothing: %v", f)
	}
}

// A credential whose owner has left is a finding, and so is one older than its kind may become, whatever its own policy says (R28).
func TestReq_R28_TheOwnerLeftOrTheKindsLifeIsOver(t *testing.T) {
	t.Parallel()
	left := false
	finds(t, "api_key", identities.FindOwnerGone, 0, func(owner string) workflows.Stamp {
		if owner == "p_ann" && left {
			return 1
		}
		return 0
	}, func(*identities.Entry) { left = true })
	finds(t, "api_key", identities.FindOld, identities.Oldest("api_key")+aDay, nil, untouched)
}

// A credential whose creator or last user has left is a finding, too, until its secret was replaced after that; an owner who asked for it themselves is one
// already (R28).
func TestReq_R28_TheCreatorOrTheLastUserLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		creator, user    workflows.PersonID
		rotated          time.Duration // from the departure
		creates, usesOut bool
	}{
		{"the creator left", "p_eve", "p_bob", -aDay, true, false},
		{"the last user left", "p_bob", "p_eve", -aDay, false, true},
		{"both were one", "p_eve", "p_eve", -aDay, true, false},
		{"its secret was replaced since", "p_eve", "p_eve", aDay, false, false},
		{"they are there", "p_bob", "p_bob", -aDay, false, false},
		{"nobody knows who", "", "", -aDay, false, false},
		{"the owner asked for it", "p_ann", "p_ann", -aDay, false, false},
	} {
		x := newShop(t)
		e := whole(x, "api_key")
		left := e.Created.Add(30 * aDay)
		e.Creator, e.Rotated = c.creator, left.Add(c.rotated)
		x.says(identities.ImportSource("cmdb"), e)
		row := *x.state().Row()
		row.LastUser = c.user
		found := identities.Findings(row, left.Add(2*aDay), func(owner string) workflows.Stamp {
			if owner == "p_eve" || owner == "p_ann" {
				return left
			}
			return 0
		})
		if slices.Contains(found, identities.FindCreatorGone) != c.creates || slices.Contains(found, identities.FindUserGone) != c.usesOut {
			t.Errorf("%s: %v", c.name, found)
		}
		for _, code := range []string{identities.FindCreatorGone, identities.FindUserGone} {
			if r := identities.RemedyOf(code, "api_key"); r.Keep != "rotate ID" || r.Drop == "" {
				t.Errorf("what settles %s: %+v", code, r)
			}
		}
	}
}

// An integration has somebody who answers for the business beside whoever answers for the technology (R31).
func TestReq_R31_AnIntegrationHasABusinessOwner(t *testing.T) {
	t.Parallel()
	finds(t, "integration", identities.FindNoBusiness, 0, nil, func(e *identities.Entry) { e.Business = "" })
}

// What is granted and was never seen to be used is too much, and so is everything (R90).
func TestReq_R90_GrantedAgainstUsed(t *testing.T) {
	t.Parallel()
	finds(t, "service_account", identities.FindWide, 0, nil, func(e *identities.Entry) {
		e.Scope, e.Used = []string{"role:app_rw", "role:reports"}, []string{"role:app_rw"}
	})
	for _, all := range []string{"*", "repo:*", "cluster-admin", "role:superuser", "arn:aws:iam::aws:policy/*"} {
		finds(t, "service_account", identities.FindWide, 0, nil, func(e *identities.Entry) { e.Scope = []string{all} })
	}
}

// Every kind that has a secret has a greatest age, which ends on its day and is set back by a replacement (R92).
func TestReq_R92_SecretsHaveAGreatestAge(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"api_key", "oauth_token", "ssh_key", "certificate", "service_account", "automation_account", identities.KindAgent, "integration"} {
		most := identities.Oldest(kind)
		if most <= 0 || most > 400*aDay {
			t.Errorf("a secret of kind %s may become %s old", kind, most)
			continue
		}
		x := newShop(t)
		e := whole(x, kind)
		x.says(identities.ImportSource("cmdb"), e)
		old := func(after time.Duration) bool {
			return slices.Contains(identities.Findings(*x.state().Row(), e.Created.Add(after), nil), identities.FindOld)
		}
		if old(most-time.Second) || !old(most+time.Second) {
			t.Errorf("kind %s: the day of its greatest age is not the %s that it is said to be", kind, most)
		}
		e.Rotated = e.Created.Add(30 * aDay)
		x.says(identities.ImportSource("cmdb"), e)
		if old(most+29*aDay) || !old(most+30*aDay+time.Second) {
			t.Errorf("kind %s: a replacement does not begin its age anew", kind)
		}
	}
}

// An agent is on record with what drives it, what it can reach, who answers for it, when its switch was tried, and how it will end (R111).
func TestReq_R111_AnAgentsRecordIsWhole(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*identities.Entry){
		"model": func(e *identities.Entry) { e.Model = "" }, "tools": func(e *identities.Entry) { e.Tools = nil }, "sponsor": func(e *identities.Entry) { e.Sponsor = "" },
		"kill switch": func(e *identities.Entry) { e.KillTested = 0 }, "retire plan": func(e *identities.Entry) { e.RetirePlan = "" },
		"data reach": func(e *identities.Entry) { e.DataReach = "" }, "autonomy": func(e *identities.Entry) { e.Autonomy = "" },
	} {
		t.Run(name, func(t *testing.T) { finds(t, identities.KindAgent, identities.FindAgent, 0, nil, spoil) })
	}
}

// Covered means that owner, purpose, end and last use are all on record (R15).
func TestReq_R15_WhatCountsAsCovered(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*identities.Entry){
		"": untouched, "owner": func(e *identities.Entry) { e.Owner = "" }, "purpose": func(e *identities.Entry) { e.Purpose = "misc" },
		"end": func(e *identities.Entry) { e.Expires = 0 }, "last use": func(e *identities.Entry) { e.LastUsed = 0 },
	} {
		x := newShop(t)
		e := whole(x, "api_key")
		spoil(&e)
		x.says(identities.ImportSource("cmdb"), e)
		if got := identities.IsCovered(*x.state().Row()); got != (name == "") {
			t.Errorf("without %q covered is %t", name, got)
		}
	}
}

// Nobody used it for ninety days: a finding that proposes to take it away. Used once more, it is none (R38).
func TestReq_R38_WhatNobodyUsesIsToGo(t *testing.T) {
	t.Parallel()
	x := newShop(t)
	e := whole(x, "api_key")
	x.says(identities.ImportSource("cmdb"), e)
	dormant := func(after time.Duration) bool {
		return slices.Contains(identities.Findings(*x.state().Row(), e.Created.Add(after), nil), identities.FindUnused)
	}
	if dormant(identities.Dormant) || !dormant(identities.Dormant+time.Second) {
		t.Error("it is not dormant from the day that is said")
	}
	e.LastUsed = e.Created.Add(60 * aDay)
	x.says(identities.DiscoverySource("pg"), identities.Entry{LastUsed: e.LastUsed})
	if dormant(identities.Dormant+60*aDay) || !dormant(identities.Dormant+60*aDay+time.Second) {
		t.Error("a use does not begin the count anew")
	}
	if r := identities.RemedyOf(identities.FindUnused, "api_key"); r.Drop != "kill ID -reason TEXT" || r.Gone != "kill REASON" {
		t.Errorf("what is proposed: %+v", r)
	}
}

// One workload uses an identity; the second that is seen to use it is a finding (R94).
func TestReq_R94_ASecondWorkloadIsAFinding(t *testing.T) {
	t.Parallel()
	x := newShop(t)
	e := whole(x, "api_key")
	for _, c := range []struct {
		uses []string
		want bool
	}{{nil, false}, {[]string{"shop/production"}, false}, {[]string{"shop/production", "shop/staging"}, true}, {[]string{"shop/production"}, false}} {
		e.Uses = c.uses
		x.says(identities.ImportSource("cmdb"), e)
		if got := slices.Contains(identities.Findings(*x.state().Row(), x.l.Now.UTC, nil), identities.FindShared); got != c.want {
			t.Errorf("used by %q: %t", c.uses, got)
		}
	}
}
