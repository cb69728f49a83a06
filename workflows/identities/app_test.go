package identities_test

import (
	"slices"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// The record of a third-party app has a vendor, its scopes and what data it reaches; what is missing is a finding, and so is a scope that nobody has looked at:
// until somebody attests the app with it, or a request gave it (R88).
func TestReq_R88_TheRecordOfAnAppIsWholeAndItsGrowthIsAFinding(t *testing.T) {
	t.Parallel()
	for _, spoil := range []func(*identities.Entry){
		func(e *identities.Entry) { e.Vendor = "" }, func(e *identities.Entry) { e.DataReach = "" }, func(e *identities.Entry) { e.Scope = nil },
	} {
		x := newShop(t)
		e := whole(x, identities.KindApp)
		e.Vendor, e.DataReach = "Acme", "orders"
		x.says(identities.ImportSource("cmdb"), e)
		if f := x.state().Row().Findings; len(f) != 0 {
			t.Errorf("a whole record: %v", f)
		}
		spoil(&e)
		x.says(identities.ImportSource("cmdb"), e)
		if f := x.state().Row().Findings; !slices.Contains(f, identities.FindApp) {
			t.Errorf("a record with something missing: %v", f)
		}
	}
	x := newShop(t)
	e := whole(x, identities.KindApp)
	e.Vendor, e.DataReach, e.Scope = "Acme", "orders", []string{"contents: read"}
	grown := func(want ...string) {
		t.Helper()
		s := x.state()
		if got := s.Grown(); !slices.Equal(got, want) || slices.Contains(s.Row().Findings, identities.FindGrown) != (len(want) > 0) {
			t.Errorf("it grew by %q (%v), want %q", got, s.Row().Findings, want)
		}
	}
	target := identities.DiscoverySource("github-main")
	x.says(target, e)
	grown()
	e.Scope = []string{"contents: write", "members: read"}
	x.says(target, e)
	grown("contents: write", "members: read")
	x.says(identities.RequestSource("r_1"), identities.Entry{Scope: []string{"members: read"}})
	grown("contents: write")
	out, err := identities.Attest(x.l.Facts(), identities.Do{By: workflows.Acting{Actor: "a_bob", Person: "p_bob"}, Standing: usual, Owns: true}, robotID, identities.AttestKeep)
	x.does(out, err)
	grown()
	e.Class = "service_account" // what its target lists of an account is drift's to find
	e.Scope = append(e.Scope, "administration: write")
	x.says(target, e)
	grown()
}
